/* Programs as text, for `restore --dry-run -v`, golden tests and failures. */
#include <inttypes.h>
#include <string.h>

#include "inject/batch_int.h"

static const char *const syscall_names[] = {
#define SYSCALL(nr, name) [nr] = name,
#include "inject/syscalls.def"
#undef SYSCALL
};

const char *syscall_name(long nr)
{
	return nr >= 0 && nr < (long)ARRAY_SIZE(syscall_names) ? syscall_names[nr] : NULL;
}

/* Small numbers and small negative ones in decimal, the rest (addresses, masks) in hex. */
static void print_number(struct str *s, uint64_t v)
{
	if (v >= 1U << 16 && v < UINT64_MAX - 4095)
		str_addf(s, "0x%" PRIx64, v);
	else
		str_addf(s, "%" PRId64, (int64_t)v);
}

static void print_place(struct str *s, const struct step *st, int i)
{
	str_addf(s, "data%" PRIu32, st->piece[i]);
	if (st->wire.arg[i] > 0)
		str_addf(s, "+%" PRIu64, st->wire.arg[i]);
}

static void print_arg(struct str *s, const struct step *st, int i)
{
	switch ((enum pie_arg)st->wire.arg_kind[i]) {
	case PIE_ARG_AREA:
		str_addf(s, "&");
		print_place(s, st, i);
		break;
	case PIE_ARG_RESULT:
		str_addf(s, "result(%" PRIu64 ")", st->wire.arg[i]);
		break;
	case PIE_ARG_LOAD32:
	case PIE_ARG_LOAD64:
		str_addf(s, "%s[", st->wire.arg_kind[i] == PIE_ARG_LOAD32 ? "u32" : "u64");
		print_place(s, st, i);
		str_addf(s, "]");
		break;
	case PIE_ARG_CONST:
	case PIE_ARG_MAX:
		print_number(s, st->wire.arg[i]);
		break;
	}
}

/* The arguments from `from` on in parentheses, without the zeroes at the end. */
static void print_args(struct str *s, const struct step *st, int from, int to)
{
	while (to > from && st->wire.arg_kind[to - 1] == PIE_ARG_CONST && st->wire.arg[to - 1] == 0)
		to--;
	str_addf(s, "(");
	for (int i = from; i < to; i++) {
		if (i > from)
			str_addf(s, ", ");
		print_arg(s, st, i);
	}
	str_addf(s, ")");
}

static void print_call(struct str *s, const struct step *st, int n_args)
{
	const char *name = syscall_name(st->wire.nr);

	if (name)
		str_addf(s, "%s", name);
	else
		str_addf(s, "syscall_%" PRIu32, st->wire.nr);
	print_args(s, st, 0, n_args);
}

static void print_expect(struct str *s, const struct step *st)
{
	if (st->wire.expect == PIE_EXPECT_NONNEG)
		str_addf(s, " or fail");
	if (st->wire.expect == PIE_EXPECT_EXACT) {
		str_addf(s, " = ");
		print_number(s, (uint64_t)st->wire.want);
	}
}

static void print_op(struct str *s, const struct step *st)
{
	switch ((enum pie_op)st->wire.op) {
	case PIE_OP_CALL:
		print_call(s, st, PIE_ARGS);
		print_expect(s, st);
		break;
	case PIE_OP_UNTIL:
		print_call(s, st, PIE_ARGS - 1);
		str_addf(s, " until u32 at ");
		print_arg(s, st, PIE_ARGS - 1);
		str_addf(s, " = %" PRId64 ", %" PRIu32 " tries, undone by", st->wire.want,
			 st->wire.limit);
		break;
	case PIE_OP_SPAWN:
		str_addf(s, "spawn thread %" PRIu32 " ", st->wire.nr);
		print_args(s, st, 0, 2);
		print_expect(s, st);
		break;
	case PIE_OP_COPY:
		str_addf(s, "copy");
		print_args(s, st, 0, 3);
		break;
	case PIE_OP_FILL:
		str_addf(s, "fill");
		print_args(s, st, 0, 3);
		break;
	case PIE_OP_BARRIER:
		str_addf(s, "wait for stage %" PRIu64, st->wire.arg[0]);
		break;
	case PIE_OP_RETURN:
		str_addf(s, "return to ");
		print_arg(s, st, 0);
		break;
	case PIE_OP_EXIT:
		str_addf(s, "exit %" PRIu64, st->wire.arg[0]);
		break;
	case PIE_OP_MAX:
		break;
	}
}

int program_print_step(const struct program *p, int step, struct str *s)
{
	const struct step *st;
	int64_t got;

	assert(step >= 0 && (size_t)step < p->steps.n);
	st = &p->steps.at[step];
	print_op(s, st);
	got = st->wire.result;
	if (program_failed_step(p) == step) {
		if (got < 0 && got >= -4095)
			str_addf(s, ": %s", strerror((int)-got));
		else
			str_addf(s, ": gave 0x%" PRIx64, (uint64_t)got);
	}
	return s->failed ? -ENOMEM : 0;
}

int batch_print(const struct batch *b, struct str *s)
{
	vec_for_each(pp, &b->programs) {
		const struct program *p = *pp;

		str_addf(s, "thread %u:\n", p->index);
		for (int i = 0; i < program_n_steps(p); i++) {
			str_addf(s, "%5d  ", i);
			(void)program_print_step(p, i, s); /* s->failed says it all at the end */
			if (*program_step_note(p, i))
				str_addf(s, "  # %s", program_step_note(p, i));
			str_addf(s, "\n");
		}
	}
	return s->failed ? -ENOMEM : 0;
}
