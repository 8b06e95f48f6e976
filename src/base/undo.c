/* The undo stack. See undo.h. */
#include "base/undo.h"

#include "base/mem.h"

struct undo_entry {
	struct undo_entry *below;
	const char *what;
	undo_fn fn;
	void *arg;
};

int undo_push(struct undo *u, const char *what, undo_fn fn, void *arg)
{
	struct undo_entry *e = NEW(struct undo_entry);

	if (!e) {
		fn(arg);
		return -ENOMEM;
	}
	*e = (struct undo_entry){ .below = u->top, .what = what, .fn = fn, .arg = arg };
	u->top = e;
	return 0;
}

void undo_run(struct undo *u)
{
	while (u->top) {
		struct undo_entry *e = u->top;

		u->top = e->below;
		e->fn(e->arg);
		mem_free(e);
	}
}

size_t undo_forget(struct undo *u, undo_fn fn, const void *arg)
{
	struct undo_entry **at = &u->top;
	size_t n = 0;

	while (*at) {
		struct undo_entry *e = *at;

		if (e->fn == fn && e->arg == arg) {
			*at = e->below;
			mem_free(e);
			n++;
		} else {
			at = &e->below;
		}
	}
	return n;
}

void undo_forget_all(struct undo *u)
{
	while (u->top) {
		struct undo_entry *e = u->top;

		u->top = e->below;
		mem_free(e);
	}
}

bool undo_is_empty(const struct undo *u)
{
	return !u->top;
}
