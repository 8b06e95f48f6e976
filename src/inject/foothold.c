/* See foothold.h. */
#include "inject/foothold.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "kernel/proc/maps.h"

#define SCAN_CHUNK  (256UL << 10)
#define SCAN_LIMIT  (64UL << 20) /* bytes of code looked at for one task */
#define STACK_SPARE (16UL << 10) /* kept free below a frame, for handlers of signals */
#define STACK_LOW   (64UL << 10) /* a main stack from this size on has an unused end */

/* One executable mapping, or a stack. */
struct range {
	uint64_t start, end;
	uint64_t file_hi, file_lo; /* key in the cache; hi 0: not to be remembered */
	unsigned rank;             /* files, then anonymous code */
};

struct look {
	struct foothold_cache *cache;
	struct mem_remote *mem;
	struct {
		VEC(struct range);
	} code;
	struct range stack; /* the main one, if no thread is on it */
	struct foothold found;
	size_t scanned;
	unsigned char *chunk;
};

/* What a file's mapping holds: offsets into the mapping plus one, 0 for none. */
struct known {
	uint64_t at[ARCH_GADGET_MAX];
};

void foothold_cache_done(struct foothold_cache *c)
{
	map_done(&c->files);
	arena_done(&c->arena);
}

static int range_cmp(const void *a, const void *b)
{
	const struct range *x = a, *y = b;
	uint64_t size_x = x->end - x->start, size_y = y->end - y->start;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	if (size_x != size_y)
		return size_x < size_y ? -1 : 1;
	return x->start < y->start ? -1 : x->start > y->start;
}

static int note_code(struct look *l, const struct proc_map *m)
{
	struct range range = { .start = m->start, .end = m->end };

	if (m->kind == PROC_MAP_FILE && m->ino) {
		/* Mixed with the offset: a file may have several executable segments. */
		range.file_hi = ((uint64_t)m->major << 32 | m->minor) + 1;
		range.file_lo = m->ino ^ m->offset << 20;
	} else if (m->kind == PROC_MAP_VDSO) {
		range.file_hi = UINT64_MAX;
	} else if (m->kind == PROC_MAP_VSYSCALL || m->kind == PROC_MAP_UPROBES) {
		return 0;
	} else {
		range.rank = 1;
	}
	return vec_push(&l->code, range);
}

/* Below the stack pointer, behind its red zone; 0 when that is outside of the range. */
static uint64_t place_below(const struct range *r, const struct context *ctx, uint64_t spare)
{
	uint64_t sp = arch_sp(&ctx->regs), need = arch_red_zone + arch_frame_size(ctx) + spare;

	if (sp <= r->start || sp > r->end || sp - r->start < need + arch_frame_align)
		return 0;
	return ROUND_DOWN(sp - arch_red_zone - arch_frame_size(ctx), arch_frame_align);
}

static void note_stack(struct look *l, const struct proc_map *m, const struct context *const *ctx,
		       unsigned n)
{
	struct range range = { .start = m->start, .end = m->end };
	bool is_main = m->kind == PROC_MAP_STACK;

	if (is_main)
		l->stack = range;
	for (unsigned i = 0; i < n; i++) {
		uint64_t sp = arch_sp(&ctx[i]->regs);
		uint64_t va = place_below(&range, ctx[i], is_main ? 0 : STACK_SPARE);

		if (is_main && sp > m->start && sp <= m->end)
			l->stack = (struct range){ 0 };
		/* The main stack wins over places met before it. */
		if (!va || (l->found.frame && !is_main))
			continue;
		l->found.frame = va;
		l->found.thread = i;
		if (is_main)
			break;
	}
}

static int look_at_maps(struct look *l, const struct proc_text *maps,
			const struct context *const *ctx, unsigned n)
{
	struct proc_maps_walk w = proc_maps_walk(maps->at, maps->n);
	const int rw = PROT_READ | PROT_WRITE;
	struct proc_map m;
	int r;

	while ((r = proc_maps_next(&w, &m)) > 0) {
		if (m.prot & PROT_EXEC && !m.shared) {
			r = note_code(l, &m);
			if (r < 0)
				return r;
		}
		if (!m.shared && (m.prot & rw) == rw)
			note_stack(l, &m, ctx, n);
	}
	if (r < 0)
		return r;
	if (l->stack.end - l->stack.start >= STACK_LOW) {
		l->found.thread = 0;
		l->found.frame = ROUND_UP(l->stack.start + STACK_SPARE, arch_frame_align);
	}
	return 0;
}

/* Whether there is such code at this address, in the target as it is now. */
static bool verify(struct look *l, enum arch_gadget g, uint64_t va, uint64_t end)
{
	unsigned char code[ARCH_GADGET_LEN];
	size_t len = MIN(sizeof(code), end - va);

	return va < end && mem_read(l->mem, REMOTE(va), code, len) == 0 &&
	       arch_find_gadget(g, code, len) == 0;
}

static void scan_chunk(struct look *l, const struct range *r, uint64_t at, size_t len,
		       struct known *known)
{
	for (int g = 0; g < ARCH_GADGET_MAX; g++) {
		ssize_t off;

		if (known->at[g])
			continue;
		off = arch_find_gadget((enum arch_gadget)g, l->chunk, len);
		if (off >= 0)
			known->at[g] = at - r->start + (uint64_t)off + 1;
	}
}

static bool is_complete(const uint64_t at[ARCH_GADGET_MAX])
{
	for (int g = 0; g < ARCH_GADGET_MAX; g++)
		if (!at[g])
			return false;
	return true;
}

/* Reads a mapping through. Unreadable parts (pages behind a file's end) have no code. */
static int scan(struct look *l, const struct range *r, struct known *known)
{
	for (uint64_t at = r->start; at < r->end && !is_complete(known->at);) {
		size_t len = MIN(SCAN_CHUNK, r->end - at);
		int rc = l->scanned < SCAN_LIMIT ? mem_read(l->mem, REMOTE(at), l->chunk, len)
						 : -E2BIG;

		if (rc == -ESRCH)
			return rc;
		if (rc < 0)
			return 0;
		l->scanned += len;
		scan_chunk(l, r, at, len, known);
		/* Again from a little before the end: code may lie across it. */
		at += at + len < r->end ? len - ARCH_GADGET_LEN : len;
	}
	return 0;
}

static int known_find(struct look *l, const struct range *r, struct known *ret)
{
	struct known *old = r->file_hi ? map_find(&l->cache->files, r->file_hi, r->file_lo) : NULL;
	int rc;

	*ret = (struct known){ 0 };
	if (old) {
		*ret = *old;
		return 0;
	}
	rc = scan(l, r, ret);
	if (rc < 0 || !r->file_hi || l->scanned >= SCAN_LIMIT)
		return rc;
	old = arena_dup(&l->cache->arena, ret, sizeof(*ret));
	return old ? map_set(&l->cache->files, r->file_hi, r->file_lo, old) : -ENOMEM;
}

static int look_for_code(struct look *l)
{
	vec_for_each(r, &l->code) {
		struct known known;
		int rc = known_find(l, r, &known);

		if (rc < 0)
			return rc;
		for (int g = 0; g < ARCH_GADGET_MAX; g++) {
			uint64_t va = r->start + known.at[g] - 1;

			if (!known.at[g] || l->found.gadget[g] ||
			    !verify(l, (enum arch_gadget)g, va, r->end))
				continue;
			l->found.gadget[g] = va;
		}
		if (is_complete(l->found.gadget))
			return 0;
	}
	return l->found.gadget[ARCH_GADGET_SYSCALL] ? 0 : -ENOTSUP;
}

int foothold_find(struct foothold_cache *cache, const struct proc_pid *proc, struct mem_remote *mem,
		  const struct proc_text *maps, const struct context *const *ctx, unsigned n,
		  struct foothold *ret)
{
	scoped(proc_text_done) struct proc_text text = { 0 };
	scoped(mem_free) unsigned char *chunk = NEW_ARRAY(unsigned char, SCAN_CHUNK);
	struct look l = { .cache = cache, .mem = mem, .chunk = chunk };
	int r = chunk ? 0 : -ENOMEM;

	assert(n > 0);
	if (r == 0 && !maps) {
		r = proc_maps_read(proc, &text);
		maps = &text;
	}
	if (r == 0)
		r = look_at_maps(&l, maps, ctx, n);
	if (r == 0) {
		if (l.code.n > 1)
			qsort(l.code.at, l.code.n, sizeof(*l.code.at), range_cmp);
		r = look_for_code(&l);
	}
	vec_done(&l.code);
	if (r == 0)
		*ret = l.found;
	return r;
}
