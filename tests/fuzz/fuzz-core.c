/*
 * Parts of tasks: two core images of one task, the leader's and a thread's, behind two bytes that
 * say how long the first is. What the kinds accept they must be able to write again, to look at,
 * and to make programs of.
 */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "image/message.h"
#include "inject/batch.h"
#include "kernel/features.h"
#include "object/check.h"
#include "object/env.h"
#include "samples/core.h"
#include "schema/core.pb-c.h"

struct world {
	struct arena arena;
	struct report report;
	struct model model;
	struct thread *thread[2];
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void world_init(struct world *w)
{
	struct task *t;

	*w = (struct world){ 0 };
	report_init(&w->report);
	w->report.quiet = true;
	model_init(&w->model);
	t = model_add_task(&w->model, NULL, SAMPLE_PID);
	must(t != NULL);
	t->state = TASK_ALIVE;
	t->mm = model_add_mm(&w->model, 1, t);
	t->sighand = model_add_sighand(&w->model, 1, t);
	for (int i = 0; i < 2; i++) {
		w->thread[i] = model_add_thread(&w->model, t, SAMPLE_PID + i);
		must(w->thread[i] && parts_new(w->thread[i]) == 0);
	}
}

static void world_done(struct world *w)
{
	kinds_release(&w->model);
	model_done(&w->model);
	report_done(&w->report);
	arena_done(&w->arena);
}

static int decode(struct world *w, int i, const uint8_t *data, size_t size)
{
	struct core_record rec = { .arena = &w->arena };
	ProtobufCMessage *msg;
	int r = message_decode(&core_entry__descriptor, data, size, &w->arena, NULL, &msg);

	if (r < 0)
		return r;
	rec.core = (CoreEntry *)msg;
	/* As the engine looks before it asks the kinds. */
	if (!rec.core->thread_core || (i == 0 && !rec.core->tc))
		return -EUCLEAN;
	for (unsigned k = 0; k < TASK_KIND_MAX && r >= 0; k++)
		if (task_kinds[k]->decode && part_is_visited_by(task_kinds[k], w->thread[i]))
			r = task_kinds[k]->decode(&w->model, w->thread[i],
						  part_of(w->thread[i], (enum task_kind_index)k),
						  &rec);
	return r;
}

static void encode(struct world *w, int i)
{
	ThreadCoreEntry thread_core = THREAD_CORE_ENTRY__INIT;
	TaskCoreEntry tc = TASK_CORE_ENTRY__INIT;
	CoreEntry core = CORE_ENTRY__INIT;
	struct core_record rec = { .core = &core, .arena = &w->arena };

	core.thread_core = &thread_core;
	core.tc = i == 0 ? &tc : NULL;
	for (unsigned k = 0; k < TASK_KIND_MAX; k++)
		if (task_kinds[k]->encode && part_is_visited_by(task_kinds[k], w->thread[i]))
			must(task_kinds[k]->encode(w->thread[i],
						   part_of(w->thread[i], (enum task_kind_index)k),
						   &rec) == 0);
	must(core_entry__get_packed_size(&core) > 0);
}

static void look_and_plan(struct world *w, struct program *p, int i)
{
	static struct features features;
	struct env env = { .model = &w->model, .report = &w->report };
	struct check check = { .model = &w->model, .report = &w->report, .features = &features };

	for (unsigned k = 0; k < TASK_KIND_MAX; k++) {
		const struct task_kind *kind = task_kinds[k];
		void *part = part_of(w->thread[i], (enum task_kind_index)k);

		if (!part_is_visited_by(kind, w->thread[i]))
			continue;
		if (kind->check)
			(void)!kind->check(&check, w->thread[i], part); /* either is fine */
		if (kind->late && k != TASK_KIND_mm) /* wants its program's file */
			must(kind->late(&env, w->thread[i], part, p) == 0);
		if (kind->last)
			must(kind->last(&env, w->thread[i], part, p) == 0);
	}
	program_exit(p, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t first = size < 2 ? 0 : data[0] | (size_t)data[1] << 8;
	struct world w;

	if (size < 2 || first > size - 2)
		return 0;
	world_init(&w);
	if (decode(&w, 0, data + 2, first) >= 0 &&
	    decode(&w, 1, data + 2 + first, size - 2 - first) >= 0) {
		scoped(batch_free) struct batch *b = batch_new();
		scoped(str_done) struct str text = { 0 };

		for (int i = 0; i < 2; i++) {
			encode(&w, i);
			look_and_plan(&w, batch_program(b, PIE_FAIL_WAIT), i);
		}
		must(batch_layout(b) == 0);
		must(batch_print(b, &text) == 0);
	}
	world_done(&w);
	return 0;
}

size_t fuzz_seed(unsigned n, uint8_t *buf, size_t room)
{
	scoped(arena_done) struct arena a = { 0 };
	CoreEntry *core[2] = { sample_core(&a, true), sample_core(&a, false) };
	size_t first = core_entry__get_packed_size(core[0]);
	size_t second = core_entry__get_packed_size(core[1]);

	if (n > 0)
		return 0;
	must(2 + first + second <= room && first <= UINT16_MAX);
	buf[0] = (uint8_t)first;
	buf[1] = (uint8_t)(first >> 8);
	core_entry__pack(core[0], buf + 2);
	core_entry__pack(core[1], buf + 2 + first);
	return 2 + first + second;
}
