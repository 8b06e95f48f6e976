#pragma once
/* The insides of a batch, shared by batch.c and listing.c. */
#include "base/vec.h"
#include "inject/batch.h"

struct piece_entry {
	void *p;
	size_t len, align;
	uint64_t offset; /* in the area, after batch_layout() */
	bool is_room;
};

/* The u64 at piece `from` + at becomes the address of piece `to` + offset. */
struct link_entry {
	uint32_t from, to;
	size_t at, offset;
};

struct step {
	struct pie_step wire; /* AREA and LOAD values still relative to their pieces */
	uint32_t piece[PIE_ARGS];
	const char *note;
};

struct program {
	struct batch *batch;
	unsigned index;
	enum pie_on_failure on_failure;
	uint64_t sigmask;
	struct {
		VEC(struct step);
	} steps;
	uint32_t tail;   /* PIE_NO_STEP until program_tail() */
	uint64_t offset; /* of the steps in the area */
	enum pie_state state;
	uint32_t failed;
};

struct batch {
	struct arena arena;
	struct {
		VEC(struct program *);
	} programs;
	struct {
		VEC(struct piece_entry);
	} pieces;
	struct {
		VEC(struct link_entry);
	} links;
	bool failed;
	bool is_laid_out;
	uint64_t threads, read_end, written, stacks, size;
};
