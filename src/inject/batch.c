/*
 * Builds areas: collects programs and pieces, fixes their places, writes and reads them. Knows the
 * layout of an area, nothing of processes. The text form of steps is listing.c's.
 */
#include "inject/batch.h"

#include <linux/sched.h>
#include <string.h>
#include <sys/syscall.h>

#include "inject/batch_int.h"
#include "pie/blob.h"

#define BATCH_MAX (1UL << 30)

struct arg arg_at(struct piece p)
{
	return arg_at_offset(p, 0);
}

struct arg arg_at_offset(struct piece p, size_t offset)
{
	assert(offset <= p.len);
	return (struct arg){ .kind = PIE_ARG_AREA, .piece = p.id, .value = offset };
}

struct arg arg_load32(struct piece p, size_t offset)
{
	assert(p.len >= 4 && offset <= p.len - 4);
	return (struct arg){ .kind = PIE_ARG_LOAD32, .piece = p.id, .value = offset };
}

struct arg arg_load64(struct piece p, size_t offset)
{
	assert(p.len >= 8 && offset <= p.len - 8);
	return (struct arg){ .kind = PIE_ARG_LOAD64, .piece = p.id, .value = offset };
}

struct arg arg_result(int step)
{
	assert(step >= 0);
	return (struct arg){ .kind = PIE_ARG_RESULT, .value = (uint64_t)step };
}

struct batch *batch_new(void)
{
	return NEW(struct batch);
}

void batch_free(struct batch *b)
{
	if (!b)
		return;
	vec_for_each(p, &b->programs)
		vec_done(&(*p)->steps);
	vec_done(&b->programs);
	vec_done(&b->pieces);
	vec_done(&b->links);
	arena_done(&b->arena);
	mem_free(b);
}

struct program *batch_program(struct batch *b, enum pie_on_failure on_failure)
{
	struct program *p = ARENA_NEW(&b->arena, struct program);

	assert(!b->is_laid_out);
	if (!p || vec_push(&b->programs, p) < 0) {
		b->failed = true;
		return NULL;
	}
	*p = (struct program){
		.batch = b,
		.index = (unsigned)(b->programs.n - 1),
		.on_failure = on_failure,
		.sigmask = UINT64_MAX,
		.tail = PIE_NO_STEP,
		.failed = PIE_NO_STEP,
	};
	return p;
}

unsigned program_index(const struct program *p)
{
	return p->index;
}

struct batch *program_batch(const struct program *p)
{
	return p->batch;
}

unsigned batch_n_programs(const struct batch *b)
{
	return (unsigned)b->programs.n;
}

struct program *batch_program_at(const struct batch *b, unsigned index)
{
	assert(index < b->programs.n);
	return b->programs.at[index];
}

void program_set_sigmask(struct program *p, uint64_t sigmask)
{
	p->sigmask = sigmask;
}

/* ---- pieces ---- */

static struct piece piece_add(struct batch *b, const void *bytes, size_t len, size_t align,
			      bool is_room)
{
	struct piece_entry e = { .len = len, .align = align, .is_room = is_room };

	assert(!b->is_laid_out);
	assert(align >= 1 && align <= PAGE_SIZE && (align & (align - 1)) == 0);
	e.p = bytes ? arena_dup(&b->arena, bytes, len) : arena_alloc(&b->arena, 1, MAX(len, 1UL));
	if (!e.p || vec_push(&b->pieces, e) < 0) {
		b->failed = true;
		return (struct piece){ .id = UINT32_MAX, .len = len };
	}
	return (struct piece){ .id = (uint32_t)(b->pieces.n - 1), .len = len, .p = e.p };
}

struct piece program_room(struct program *p, size_t len)
{
	return piece_add(p->batch, NULL, len, 16, true);
}

struct piece program_put(struct program *p, const void *bytes, size_t len)
{
	return piece_add(p->batch, bytes, len, 16, false);
}

struct piece program_put_aligned(struct program *p, const void *bytes, size_t len, size_t align)
{
	return piece_add(p->batch, bytes, len, align, false);
}

struct piece program_text(struct program *p, const char *text)
{
	return piece_add(p->batch, text, strlen(text) + 1, 1, false);
}

void program_link(struct program *p, struct piece from, size_t at, struct piece to, size_t offset)
{
	struct link_entry e = { .from = from.id, .to = to.id, .at = at, .offset = offset };

	assert(!p->batch->is_laid_out);
	assert(from.len >= 8 && at <= from.len - 8 && offset <= to.len);
	if (vec_push(&p->batch->links, e) < 0)
		p->batch->failed = true;
}

/* ---- steps ---- */

/* A copy of an argument's fields; a result must be that of an earlier step. */
static void step_set_arg(const struct program *p, struct step *s, int i, struct arg a)
{
	assert(a.kind < PIE_ARG_MAX);
	assert(a.kind != PIE_ARG_RESULT || a.value < p->steps.n || p->batch->failed);
	s->wire.arg_kind[i] = a.kind;
	s->wire.arg[i] = a.value;
	s->piece[i] = a.piece;
}

static int step_add(struct program *p, struct step s, const struct args *args)
{
	assert(!p->batch->is_laid_out);
	s.wire.result = PIE_NOT_RUN;
	for (int i = 0; args && i < PIE_ARGS; i++)
		step_set_arg(p, &s, i, args->at[i]);
	if (vec_push(&p->steps, s) < 0) {
		p->batch->failed = true;
		return INT32_MAX;
	}
	return (int)(p->steps.n - 1);
}

static int call_add(struct program *p, enum pie_expect expect, int64_t want, long nr,
		    const struct args *args)
{
	struct step s = { .wire = { .op = PIE_OP_CALL,
				    .expect = (uint8_t)expect,
				    .nr = (uint32_t)nr,
				    .want = want } };

	return step_add(p, s, args);
}

int program_call(struct program *p, long nr, const struct args *args)
{
	return call_add(p, PIE_EXPECT_ANY, 0, nr, args);
}

int program_must(struct program *p, long nr, const struct args *args)
{
	return call_add(p, PIE_EXPECT_NONNEG, 0, nr, args);
}

int program_exact(struct program *p, int64_t want, long nr, const struct args *args)
{
	return call_add(p, PIE_EXPECT_EXACT, want, nr, args);
}

/* Whether `len` bytes from an AREA argument on are inside its piece. */
static bool arg_has_room(const struct batch *b, struct arg a, size_t len)
{
	if (a.kind != PIE_ARG_AREA || b->failed)
		return true;
	return len <= b->pieces.at[a.piece].len - a.value;
}

int program_copy(struct program *p, struct arg to, struct arg from, size_t len)
{
	assert(arg_has_room(p->batch, to, len) && arg_has_room(p->batch, from, len));
	return step_add(p, (struct step){ .wire = { .op = PIE_OP_COPY } }, ARGS(to, from, len));
}

int program_fill(struct program *p, struct arg to, uint8_t byte, size_t len)
{
	assert(arg_has_room(p->batch, to, len));
	return step_add(p, (struct step){ .wire = { .op = PIE_OP_FILL } }, ARGS(to, byte, len));
}

int program_spawn(struct program *p, const struct program *child, struct piece clone_args,
		  pid_t want_tid)
{
	struct step s = { .wire = { .op = PIE_OP_SPAWN, .nr = child->index, .want = want_tid } };

	assert(child->batch == p->batch && child != p);
	assert(clone_args.len >= CLONE_ARGS_SIZE_VER0);
	s.wire.expect = want_tid > 0 ? PIE_EXPECT_EXACT : PIE_EXPECT_NONNEG;
	return step_add(p, s, ARGS(arg_at(clone_args), clone_args.len));
}

int program_until(struct program *p, long nr, const struct args *args, struct arg where,
		  uint32_t want, uint32_t limit, long undo_nr, const struct args *undo)
{
	struct step s = {
		.wire = { .op = PIE_OP_UNTIL, .nr = (uint32_t)nr, .limit = limit, .want = want }
	};
	struct args all = *args;
	int step;

	assert(where.kind == PIE_ARG_AREA || where.kind == PIE_ARG_CONST);
	assert(arg_has_room(p->batch, where, sizeof(uint32_t)));
	all.at[PIE_ARGS - 1] = where;
	step = step_add(p, s, &all);
	(void)program_must(p, undo_nr, undo); /* trouble is remembered in the batch */
	return step;
}

int program_barrier(struct program *p, uint32_t stage)
{
	return step_add(p, (struct step){ .wire = { .op = PIE_OP_BARRIER } }, ARGS(stage));
}

void program_tail(struct program *p)
{
	p->tail = (uint32_t)p->steps.n;
}

int program_return(struct program *p, struct arg frame)
{
	return step_add(p, (struct step){ .wire = { .op = PIE_OP_RETURN } }, ARGS(frame));
}

int program_exit(struct program *p, int status)
{
	return step_add(p, (struct step){ .wire = { .op = PIE_OP_EXIT } }, ARGS(status));
}

void program_note(struct program *p, const char *fmt, ...)
{
	struct step *last;
	va_list ap;
	char *text = NULL;
	int r;

	if (p->batch->failed || p->steps.n == 0)
		return;
	va_start(ap, fmt);
	r = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (r < 0) {
		p->batch->failed = true;
		return;
	}
	last = &p->steps.at[p->steps.n - 1];
	last->note = arena_str(&p->batch->arena, text);
	/* What UNTIL undoes is a step of its own, but not one that users think of. */
	if (p->steps.n > 1 && last[-1].wire.op == PIE_OP_UNTIL)
		last[-1].note = last->note;
	mem_free(text);
}

/* ---- layout ---- */

static int program_check(struct program *p)
{
	const struct step *last;

	if (p->steps.n == 0 || p->steps.n >= PIE_NO_STEP)
		return -EINVAL;
	last = &p->steps.at[p->steps.n - 1];
	if (last->wire.op != PIE_OP_RETURN && last->wire.op != PIE_OP_EXIT)
		return -EINVAL;
	if (p->tail == PIE_NO_STEP)
		p->tail = (uint32_t)(p->steps.n - 1);
	return p->tail < p->steps.n ? 0 : -EINVAL;
}

static uint64_t place_pieces(struct batch *b, uint64_t at, bool rooms)
{
	vec_for_each(e, &b->pieces) {
		if (e->is_room != rooms)
			continue;
		e->offset = ROUND_UP(at, e->align);
		at = e->offset + e->len;
	}
	return at;
}

int batch_layout(struct batch *b)
{
	uint64_t at = PIE_CODE + sizeof(struct pie_area);
	int r;

	assert(!b->is_laid_out && b->programs.n > 0);
	if (b->failed || b->arena.failed)
		return -ENOMEM;

	b->threads = at = ROUND_UP(at, 16UL);
	at += b->programs.n * sizeof(struct pie_thread);
	vec_for_each(pp, &b->programs) {
		r = program_check(*pp);
		if (r < 0)
			return r;
		(*pp)->offset = at = ROUND_UP(at, 16UL);
		at += (*pp)->steps.n * sizeof(struct pie_step);
	}
	b->read_end = place_pieces(b, at, true);
	b->written = place_pieces(b, b->read_end, false);
	b->stacks = ROUND_UP(b->written, PAGE_SIZE);
	b->size = ROUND_UP(b->stacks + b->programs.n * PIE_STACK, PAGE_SIZE);
	if (b->size > BATCH_MAX)
		return -E2BIG;
	b->is_laid_out = true;
	return 0;
}

size_t batch_size(const struct batch *b)
{
	assert(b->is_laid_out);
	return b->size;
}

size_t batch_written(const struct batch *b)
{
	assert(b->is_laid_out);
	return b->written;
}

size_t batch_read_end(const struct batch *b)
{
	assert(b->is_laid_out);
	return b->read_end;
}

uint64_t batch_offset(const struct batch *b, struct arg place)
{
	assert(b->is_laid_out && place.kind == PIE_ARG_AREA);
	return b->pieces.at[place.piece].offset + place.value;
}

/* ---- writing and reading ---- */

static void write_program(const struct batch *b, const struct program *p, unsigned char *area)
{
	struct pie_thread *t = (struct pie_thread *)(area + b->threads) + p->index;
	struct pie_step *steps = (struct pie_step *)(area + p->offset);

	*t = (struct pie_thread){
		.state = PIE_STATE_IDLE,
		.on_failure = p->on_failure,
		.failed = PIE_NO_STEP,
		.n_steps = (uint32_t)p->steps.n,
		.tail = p->tail,
		.steps = p->offset,
		.stack = b->stacks + (uint64_t)p->index * PIE_STACK,
		.sigmask = p->sigmask,
	};
	for (size_t i = 0; i < p->steps.n; i++) {
		const struct step *s = &p->steps.at[i];

		steps[i] = s->wire;
		for (int k = 0; k < PIE_ARGS; k++)
			if (s->wire.arg_kind[k] == PIE_ARG_AREA ||
			    s->wire.arg_kind[k] == PIE_ARG_LOAD32 ||
			    s->wire.arg_kind[k] == PIE_ARG_LOAD64)
				steps[i].arg[k] += b->pieces.at[s->piece[k]].offset;
	}
}

void batch_write(const struct batch *b, remote_t base, void *area)
{
	unsigned char *to = area;

	assert(b->is_laid_out && pie_blob_size <= PIE_CODE);
	memset(to, 0, b->written);
	memcpy(to, pie_blob, pie_blob_size);
	*(struct pie_area *)(to + PIE_CODE) = (struct pie_area){
		.magic = PIE_MAGIC,
		.version = PIE_VERSION,
		.pages = (uint32_t)(b->size / PAGE_SIZE),
		.n_threads = (uint32_t)b->programs.n,
		.threads = b->threads,
	};
	vec_for_each(p, &b->programs)
		write_program(b, *p, to);
	vec_for_each(e, &b->pieces)
		memcpy(to + e->offset, e->p, e->len);
	vec_for_each(l, &b->links) {
		uint64_t va = base.va + b->pieces.at[l->to].offset + l->offset;

		memcpy(to + b->pieces.at[l->from].offset + l->at, &va, sizeof(va));
	}
}

void batch_read(struct batch *b, const void *area)
{
	const unsigned char *from = area;

	assert(b->is_laid_out);
	vec_for_each(pp, &b->programs) {
		struct program *p = *pp;
		const struct pie_thread *t =
			(const struct pie_thread *)(from + b->threads) + p->index;
		const struct pie_step *steps = (const struct pie_step *)(from + p->offset);
		uint32_t state = t->state, failed = t->failed;

		p->state = state <= PIE_STATE_DONE ? (enum pie_state)state : PIE_STATE_IDLE;
		p->failed = failed < p->steps.n ? failed : PIE_NO_STEP;
		for (size_t i = 0; i < p->steps.n; i++)
			p->steps.at[i].wire.result = steps[i].result;
	}
	vec_for_each(e, &b->pieces)
		if (e->is_room)
			memcpy(e->p, from + e->offset, e->len);
}

/* ---- results ---- */

int64_t program_result(const struct program *p, int step)
{
	assert(step >= 0 && (size_t)step < p->steps.n);
	return p->steps.at[step].wire.result;
}

enum pie_state program_state(const struct program *p)
{
	return p->state;
}

int program_failed_step(const struct program *p)
{
	return p->state == PIE_STATE_FAILED && p->failed != PIE_NO_STEP ? (int)p->failed : -1;
}

int program_n_steps(const struct program *p)
{
	return (int)p->steps.n;
}

const char *program_step_note(const struct program *p, int step)
{
	assert(step >= 0 && (size_t)step < p->steps.n);
	return p->steps.at[step].note ?: "";
}
