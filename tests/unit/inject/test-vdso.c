/* This kernel's vDSO is understood and redirected; damaged ones are refused. */
#include "unit/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>

#include "inject/vdso.h"
#include "kernel/proc/maps.h"

struct own {
	unsigned char *p;
	size_t len;
};

/* A copy of our own. */
static struct own own_vdso(void)
{
	scoped(proc_pid_done) struct proc_pid self = PROC_PID_NONE;
	scoped(proc_text_done) struct proc_text text = { 0 };
	struct proc_maps_walk w;
	struct proc_map m;

	assert_int_equal(proc_pid_open(0, &self), 0);
	assert_int_equal(proc_maps_read(&self, &text), 0);
	w = proc_maps_walk(text.at, text.n);
	while (proc_maps_next(&w, &m) > 0)
		if (m.kind == PROC_MAP_VDSO) {
			struct own o = { .len = m.end - m.start };

			o.p = aligned_alloc(PAGE_SIZE, o.len);
			memcpy(o.p, (void *)m.start, o.len);
			return o;
		}
	skip();
	return (struct own){ 0 };
}

static void parse(void **state)
{
	scoped(vdso_done) struct vdso v = { 0 };
	struct own o = own_vdso();

	assert_int_equal(vdso_parse(o.p, o.len, &v), 0);
	assert_non_null(vdso_find(&v, "__vdso_clock_gettime"));
	assert_non_null(vdso_find(&v, "__vdso_gettimeofday"));
	assert_null(vdso_find(&v, "LINUX_2.6"));
	assert_null(vdso_find(&v, "__vdso_clock"));
	vec_for_each(s, &v)
		assert_true(s->offset < v.len && s->size > 0);
	assert_true(vdso_fits(&v, &v));
	free(o.p);
}

static void fits(void **state)
{
	struct vdso_symbol a[] = { { "x", 100, 50 }, { "y", 200, 50 } };
	struct vdso_symbol b[] = { { "x", 100, 20 }, { "y", 200, 50 }, { "z", 300, 50 } };
	struct vdso old = { .at = a, .n = 2, .len = 4096 }, ours = { .at = b, .n = 3, .len = 8192 };

	assert_true(vdso_fits(&old, &ours));
	assert_false(vdso_fits(&ours, &old));
	b[1].offset = 201;
	assert_false(vdso_fits(&old, &ours));
}

/* A copy, redirected, gives the time through the original and through the system call. */
static void redirect(void **state)
{
	scoped(vdso_done) struct vdso v = { 0 };
	struct vdso none = { .len = 4096 };
	struct own o = own_vdso();
	uint64_t at = getauxval(AT_SYSINFO_EHDR);

	assert_int_equal(vdso_parse(o.p, o.len, &v), 0);
	for (int with = 0; with < 2; with++) {
		struct vdso_patches patches = { 0 };
		struct timespec before, got = { 0 }, after;
		unsigned char *copy = mmap(NULL, o.len, PROT_READ | PROT_WRITE | PROT_EXEC,
					   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		int (*fn)(clockid_t, struct timespec *);
		int r = vdso_redirect(&v, with ? &v : &none, REMOTE(at), &patches);

		if (!with && r == -ENOTSUP) /* some function is no system call */
			continue;
		assert_int_equal(r, 0);
		memset(copy, 0xcc, o.len);
		vec_for_each(p, &patches)
			memcpy(copy + p->offset, p->bytes, p->len);
		fn = (int (*)(clockid_t, struct timespec *))(
			copy + vdso_find(&v, "__vdso_clock_gettime")->offset);
		clock_gettime(CLOCK_MONOTONIC, &before);
		assert_int_equal(fn(CLOCK_MONOTONIC, &got), 0);
		clock_gettime(CLOCK_MONOTONIC, &after);
		assert_true(got.tv_sec >= before.tv_sec && got.tv_sec <= after.tv_sec);
		vec_done(&patches);
		munmap(copy, o.len);
	}
	free(o.p);
}

static void no_room(void **state)
{
	struct vdso_symbol a[] = { { "__vdso_time", 100, 8 }, { "__vdso_getcpu", 108, 50 } };
	struct vdso old = { .at = a, .n = 2, .len = 4096 };
	struct vdso_patches patches = { 0 };

	assert_int_equal(vdso_redirect(&old, &old, REMOTE(0x1000), &patches), -ENOTSUP);
	a[1].offset = 112;
	assert_int_equal(vdso_redirect(&old, &old, REMOTE(0x1000), &patches), 0);
	assert_int_equal(patches.n, 2);
	vec_done(&patches);
	/* Unknown names have no system call. */
	memcpy(a[0].name, "__vdso_other", 13);
	assert_int_equal(vdso_redirect(&old, &(struct vdso){ .len = 1 }, REMOTE(0), &patches),
			 -ENOTSUP);
}

/* Bits flipped and ends cut: an answer or -EUCLEAN, never a crash. */
static void damaged(void **state)
{
	struct own o = own_vdso();
	unsigned char *p = malloc(o.len);

	srand(1);
	for (int i = 0; i < 20000; i++) {
		struct vdso v = { 0 };
		size_t len = i % 3 ? o.len : (size_t)rand() % o.len;
		unsigned char *exact;
		int r;

		memcpy(p, o.p, o.len);
		for (int k = rand() % 8; k >= 0; k--)
			p[(size_t)rand() % (i % 2 ? o.len : 0x700)] = (unsigned char)rand();
		exact = malloc(len + 1); /* so that a sanitizer sees reading behind the end */
		memcpy(exact, p, len);
		r = vdso_parse(exact, len, &v);
		assert_true(r == 0 || r == -EUCLEAN);
		vdso_done(&v);
		free(exact);
	}
	free(p);
	free(o.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse),   cmocka_unit_test(fits),    cmocka_unit_test(redirect),
		cmocka_unit_test(no_room), cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
