/* What the host is: capabilities, CPU, filesystem and device numbers, build-ids. */
#include "unit/check.h"

#include <elf.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/build_id.h"
#include "kernel/cap.h"
#include "kernel/cpu.h"
#include "kernel/fs.h"
#include "kernel/proc/status.h"
#include "kernel/sys.h"

static void capabilities(void **state)
{
	scoped(proc_pid_done) struct proc_pid p = PROC_PID_NONE;
	scoped(proc_status_done) struct proc_status st = { 0 };
	struct cap_sets caps;

	assert_int_equal(cap_own_get(&caps), 0);
	assert_int_equal(proc_pid_open(0, &p), 0);
	assert_int_equal(proc_status_read(&p, &st), 0);
	assert_true(caps.effective == st.caps.effective && caps.permitted == st.caps.permitted);
	assert_int_equal(cap_own_set(&caps), 0);
	assert_int_equal(cap_own_has(CAP_SYS_ADMIN), caps.effective >> CAP_SYS_ADMIN & 1);
	assert_false(cap_own_has(63));
	assert_false(cap_own_has(64));
	assert_string_equal(cap_name(CAP_SYS_ADMIN), "CAP_SYS_ADMIN");
	assert_string_equal(cap_name(CAP_CHECKPOINT_RESTORE), "CAP_CHECKPOINT_RESTORE");
	assert_string_equal(cap_name(63), "CAP_?");
}

static void processor(void **state)
{
	char line[512];
	struct cpu c;
	FILE *f = fopen("/proc/cpuinfo", "r");
	unsigned seen = 0, n;

	assert_non_null(f);
	cpu_read(&c);
	while (fgets(line, sizeof(line), f) && seen < 3) {
		if (sscanf(line, "cpu family : %u", &n) == 1) {
			assert_int_equal(c.family, n);
			seen++;
		} else if (sscanf(line, "model : %u", &n) == 1) {
			assert_int_equal(c.model, n);
			seen++;
		} else if (strncmp(line, "model name\t: ", 13) == 0) {
			assert_memory_equal(line + 13, c.model_id, strlen(c.model_id));
			seen++;
		}
	}
	(void)fclose(f);
	assert_true(cpu_has(&c, CPU_WORD_1_EDX, 26)); /* SSE2 is part of x86-64 */
	if (c.has_xsave) {
		assert_int_equal(c.xfeatures & 3, 3);
		assert_true(c.xsave_size >= 576 && c.xsave_size <= c.xsave_size_max);
		for (unsigned i = 2; i < 63; i++)
			if (c.xfeatures >> i & 1)
				assert_true(c.xfeature[i].offset + c.xfeature[i].size <=
					    c.xsave_size);
	}
	assert_string_equal(cpu_xfeature_name(CPU_XFEATURE_PKRU), "pkru");
	assert_string_equal(cpu_xfeature_name(15), "?");
	assert_string_equal(cpu_xfeature_name(62), "?");
}

static void filesystems(void **state)
{
	scoped(fd_close) int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	uint32_t magic = 0;

	assert_int_equal(fs_magic_of(fd, &magic), 0);
	assert_int_equal(magic, FS_MAGIC_PROC);
	assert_string_equal(fs_magic_name(magic), "proc");
	assert_string_equal(fs_magic_name(FS_MAGIC_BPF), "bpf");
	assert_string_equal(fs_magic_name(1), "?");
	assert_int_equal(fs_magic_of(-1, &magic), -EBADF);
}

static void devices(void **state)
{
	uint64_t dev = fs_dev_kernel(259, 0x12345);

	assert_int_equal(dev, 259ULL << 20 | 0x12345);
	assert_int_equal(fs_dev_major(dev), 259);
	assert_int_equal(fs_dev_minor(dev), 0x12345);
	assert_int_equal(fs_dev_from_stat(makedev(259, 0x12345)), dev);
	assert_int_equal(fs_dev_to_stat(dev), makedev(259, 0x12345));
}

static void notes(void **state)
{
	struct {
		Elf64_Nhdr other;
		char other_name[8];
		char other_desc[4];
		Elf64_Nhdr id;
		char name[4];
		uint8_t bytes[20];
	} n = {
		.other = { .n_namesz = 5, .n_descsz = 3, .n_type = NT_GNU_BUILD_ID },
		.other_name = "Four",
		.id = { .n_namesz = 4, .n_descsz = 20, .n_type = NT_GNU_BUILD_ID },
		.name = "GNU",
		.bytes = { 1, 2, 3 },
	};
	struct build_id id;

	assert_int_equal(build_id_parse(&n, sizeof(n), &id), 0);
	assert_int_equal(id.len, 20);
	assert_int_equal(id.bytes[2], 3);
	assert_int_equal(build_id_parse(&n, sizeof(n) - 1, &id), -EINVAL);
	assert_int_equal(build_id_parse(&n, offsetof(__typeof__(n), id), &id), -ENOENT);
	assert_int_equal(build_id_parse(&n, 0, &id), -ENOENT);
	n.id.n_descsz = 0;
	assert_int_equal(build_id_parse(&n, sizeof(n), &id), -EINVAL);
	n.other.n_namesz = UINT32_MAX;
	assert_int_equal(build_id_parse(&n, sizeof(n), &id), -EINVAL);
	n.other.n_namesz = 5;
	n.other.n_descsz = UINT32_MAX - 1;
	assert_int_equal(build_id_parse(&n, sizeof(n), &id), -EINVAL);
}

static void build_ids(void **state)
{
	scoped(fd_close) int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	scoped(fd_close) int text = open("/proc/version", O_RDONLY | O_CLOEXEC);
	scoped(fd_close) int cut = sys_memfd_create("cut", 0);
	char head[4096];
	struct build_id id;
	ssize_t n;

	assert_int_equal(build_id_read(self, &id), 0);
	assert_int_equal(id.len, 20);
	assert_int_equal(build_id_read(text, &id), -ENOEXEC);
	assert_int_equal(build_id_read(cut, &id), -ENOEXEC);
	assert_int_equal(build_id_read(-1, &id), -EBADF);

	/* Cut anywhere, a file gives an answer and nothing worse. */
	n = pread(self, head, sizeof(head), 0);
	assert_true(n > 0);
	for (ssize_t len = 0; len < n; len += 7) {
		assert_int_equal(ftruncate(cut, 0), 0);
		assert_int_equal(fd_pwrite_all(cut, head, (size_t)len, 0), 0);
		(void)!build_id_read(cut, &id);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(capabilities), cmocka_unit_test(processor),
		cmocka_unit_test(filesystems),  cmocka_unit_test(devices),
		cmocka_unit_test(notes),        cmocka_unit_test(build_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
