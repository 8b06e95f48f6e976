/* Mappings: every kind of last column, the details of smaps, and our own address space. */
#include "unit/check.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "child.h"
#include "kernel/proc/maps.h"

static int walk(const char *text, struct proc_map *maps, size_t room, size_t *ret_n)
{
	struct proc_maps_walk w = proc_maps_walk(text, strlen(text));
	size_t n = 0;
	int r;

	while ((r = proc_maps_next(&w, &maps[n])) == 1)
		if (++n == room)
			break;
	*ret_n = n;
	return r;
}

static void kinds(void **state)
{
	static const char text[] =
		"1000-2000 r--p 00001000 fe:01 77                      /usr/bin/a b (deleted)\n"
		"2000-3000 rw-s 00000000 00:01 5                       /memfd:x\n"
		"3000-4000 rw-p 00000000 00:00 0                       [heap]\n"
		"4000-5000 ---p 00000000 00:00 0 \n"
		"5000-6000 ---p 00000000 00:00 0\n"
		"6000-7000 rw-p 00000000 00:00 0                       [anon:my name]\n"
		"7000-8000 rw-s 00000000 00:01 9                       [anon_shmem:s]\n"
		"8000-9000 r--p 00000000 00:00 0                       [vvar]\n"
		"9000-a000 r--p 00000000 00:00 0                       [vvar_vclock]\n"
		"a000-b000 r-xp 00000000 00:00 0                       [vdso]\n"
		"b000-c000 rwxp 00000000 00:00 0                       [stack]\n"
		"c000-d000 --xp 00000000 00:00 0                       [uprobes]\n"
		"d000-e000 --xp 00000000 00:00 0                       [new thing]\n"
		"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n";
	static const enum proc_map_kind want[] = {
		PROC_MAP_FILE,        PROC_MAP_FILE,       PROC_MAP_HEAP,        PROC_MAP_ANON,
		PROC_MAP_ANON,        PROC_MAP_ANON_NAMED, PROC_MAP_SHMEM_NAMED, PROC_MAP_VVAR,
		PROC_MAP_VVAR_VCLOCK, PROC_MAP_VDSO,       PROC_MAP_STACK,       PROC_MAP_UPROBES,
		PROC_MAP_SPECIAL,     PROC_MAP_VSYSCALL,
	};
	struct proc_map m[20];
	size_t n;

	assert_int_equal(walk(text, m, 20, &n), 0);
	assert_int_equal(n, ARRAY_SIZE(want));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(m[i].kind, want[i]);
	assert_true(m[0].deleted);
	assert_true(span_is(m[0].name, "/usr/bin/a b"));
	assert_int_equal(m[0].major, 0xfe);
	assert_int_equal(m[0].minor, 1);
	assert_int_equal(m[0].ino, 77);
	assert_int_equal(m[0].offset, 0x1000);
	assert_int_equal(m[0].prot, PROT_READ);
	assert_false(m[0].has_details);
	assert_true(m[1].shared);
	assert_int_equal(m[3].prot, PROT_NONE);
	assert_true(span_is(m[5].name, "my name"));
	assert_true(span_is(m[6].name, "s"));
	assert_int_equal(m[13].end, 0xffffffffff601000);
}

static void details(void **state)
{
	static const char text[] = "1000-2000 rw-p 00000000 00:00 0 \n"
				   "Size:                  4 kB\n"
				   "KernelPageSize:        4 kB\n"
				   "Rss:                   4 kB\n"
				   "Anonymous:             8 kB\n"
				   "Swap:                 12 kB\n"
				   "Locked:               16 kB\n"
				   "THPeligible:           0\n"
				   "ProtectionKey:         3\n"
				   "VmFlags: rd wr mr mw me ac gd zz \n"
				   "2000-3000 rw-p 00000000 00:00 0 \n"
				   "VmFlags: rd lo\n";
	struct proc_map m[3];
	size_t n;

	assert_int_equal(walk(text, m, 3, &n), 0);
	assert_int_equal(n, 2);
	assert_true(m[0].has_details);
	assert_int_equal(m[0].kernel_page_size, 4096);
	assert_int_equal(m[0].rss, 4096);
	assert_int_equal(m[0].anonymous, 8192);
	assert_int_equal(m[0].swap, 12288);
	assert_int_equal(m[0].locked, 16384);
	assert_int_equal(m[0].protection_key, 3);
	assert_int_equal(m[0].vm_flags, PROC_VMFLAG_READ | PROC_VMFLAG_WRITE | PROC_VMFLAG_MAYREAD |
						PROC_VMFLAG_MAYWRITE | PROC_VMFLAG_MAYEXEC |
						PROC_VMFLAG_ACCOUNT | PROC_VMFLAG_GROWSDOWN |
						PROC_VMFLAG_OTHER);
	assert_int_equal(m[1].vm_flags, PROC_VMFLAG_READ | PROC_VMFLAG_LOCKED);
	assert_string_equal(proc_vmflag_code(PROC_VMFLAG_BIT_LOCKED), "lo");
	assert_string_equal(proc_vmflag_code(PROC_VMFLAG_BIT_OTHER), "??");
}

static void damage_is_refused(void **state)
{
	static const char *const bad[] = {
		"\n",
		"1000",
		"2000-1000 rw-p 0 0:0 0\n",
		"1001-2000 rw-p 0 0:0 0\n",
		"1000-2000 rw-q 0 0:0 0\n",
		"1000-2000 rw-p 0 0:0\n",
		"1000-2000 rw-p 0 0:0 0x\n",
		"1000-10000000000000000 rw-p 0 0:0 0\n",
		"1000-2000 rw-p 0 0:0 0\nRss: 4\n",
		"1000-2000 rw-p 0 0:0 0\nRss: 18446744073709551615 kB\n",
		"1000-2000 rw-p 0 0:0 0\nRss\n",
		"1000-2000 rw-p 0 0:0 0\nVmFlags: r\n",
	};
	struct proc_map m[3];
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(walk(bad[i], m, 3, &n), -EINVAL);
	assert_int_equal(walk("2000-4000 rw-p 0 0:0 0\n3000-5000 rw-p 0 0:0 0\n", m, 3, &n),
			 -EAGAIN);
	assert_int_equal(walk("", m, 3, &n), 0);
	assert_int_equal(n, 0);
}

/* The entry that holds addr, by maps or smaps of ourselves. */
static bool find_own(const void *addr, bool details, struct proc_text *text, struct proc_map *ret)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	struct proc_maps_walk w;
	bool found = false;
	struct proc_map m;
	int r;

	assert_int_equal(proc_pid_open(0, &p), 0);
	assert_int_equal(details ? proc_smaps_read(&p, text) : proc_maps_read(&p, text), 0);
	w = proc_maps_walk(text->at, text->n);
	while ((r = proc_maps_next(&w, &m)) == 1) {
		assert_int_equal(m.has_details, details);
		if (m.start <= (uintptr_t)addr && (uintptr_t)addr < m.end) {
			*ret = m;
			found = true;
		}
	}
	assert_int_equal(r, 0);
	return found;
}

static void our_own(void **state)
{
	scoped(proc_text_done) struct proc_text text = { 0 };
	struct proc_map m;
	char *area;
	int local;

	assert_true(find_own(&local, false, &text, &m));
	assert_int_equal(m.kind, PROC_MAP_STACK);
	area = mmap(NULL, 3 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	assert_ptr_not_equal(area, MAP_FAILED);
	assert_int_equal(mprotect(area, PAGE_SIZE, PROT_NONE), 0);
	assert_int_equal(mprotect(area + 2 * PAGE_SIZE, PAGE_SIZE, PROT_NONE), 0);
	assert_int_equal(madvise(area + PAGE_SIZE, PAGE_SIZE, MADV_DONTDUMP), 0);
	area[PAGE_SIZE] = 1;
	assert_true(find_own(area + PAGE_SIZE, true, &text, &m));
	assert_int_equal(m.start, (uintptr_t)area + PAGE_SIZE);
	assert_int_equal(m.end, m.start + PAGE_SIZE);
	assert_int_equal(m.kind, PROC_MAP_ANON);
	assert_int_equal(m.rss, PAGE_SIZE);
	assert_true(m.vm_flags & PROC_VMFLAG_DONTDUMP);
	assert_false(m.vm_flags & PROC_VMFLAG_OTHER);
	assert_int_equal(munmap(area, 3 * PAGE_SIZE), 0);
}

static void no_flag_here_is_unknown(void **state)
{
	scoped(proc_text_done) struct proc_text text = { 0 };
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	struct proc_maps_walk w;
	struct proc_map m;

	assert_int_equal(proc_pid_open(0, &p), 0);
	assert_int_equal(proc_smaps_read(&p, &text), 0);
	w = proc_maps_walk(text.at, text.n);
	while (proc_maps_next(&w, &m) == 1) {
		assert_false(m.vm_flags & PROC_VMFLAG_OTHER);
		assert_int_not_equal(m.kind, PROC_MAP_SPECIAL);
	}
}

static void map_files(void **state)
{
	scoped(proc_text_done) struct proc_text text = { 0 };
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	scoped(fd_close) int memfd = memfd_create("a\\b", 0);
	char link[64];
	struct stat st, mem_st;
	struct proc_map m;
	void *area;
	int fd;

	assert_true(memfd >= 0);
	assert_int_equal(ftruncate(memfd, PAGE_SIZE), 0);
	assert_int_equal(fstat(memfd, &mem_st), 0);
	area = mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, memfd, 0);
	assert_ptr_not_equal(area, MAP_FAILED);
	assert_true(find_own(area, false, &text, &m));
	assert_true(m.shared && m.deleted && m.ino == mem_st.st_ino);
	assert_int_equal(proc_pid_open(0, &p), 0);
	if (geteuid() == 0) {
		assert_int_equal(proc_map_file_stat(&p, m.start, m.end, &st), 0);
		assert_int_equal(st.st_ino, mem_st.st_ino);
		assert_true(proc_map_file_link(&p, m.start, m.end, link, sizeof(link)) > 0);
		assert_string_equal(link, "/memfd:a\\b (deleted)");
		fd = proc_map_file_open(&p, m.start, m.end, O_PATH);
		assert_true(fd >= 0);
		fd_close(fd);
	}
	assert_int_equal(proc_map_file_stat(&p, 0x1000, 0x2000, &st), -ENOENT);
	assert_int_equal(munmap(area, PAGE_SIZE), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds),
		cmocka_unit_test(details),
		cmocka_unit_test(damage_is_refused),
		cmocka_unit_test(our_own),
		cmocka_unit_test(no_flag_here_is_unknown),
		cmocka_unit_test(map_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
