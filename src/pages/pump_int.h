#pragma once
/* What the pump's two files share: pump.c plans and finishes, pump_copy.c moves. */
#include <pthread.h>

#include "base/list.h"
#include "image/raw.h"
#include "kernel/mem.h"
#include "pages/pagemap_image.h"
#include "pages/pump.h"

/* A worker's portion, in pages: a block of a pages file, so that without pages of zeros each
 * portion becomes exactly one block. */
#define PORTION_PAGES (SUM_BLOCK / PAGE_SIZE)
/* Runs in a portion; runs without contents (PARENT) count too. */
#define PORTION_RUNS 512

/* A block of a pages file that is being put together from several portions. */
struct sheet {
	struct list link; /* source->sheets, or pump->spare */
	uint64_t block;
	size_t filled; /* bytes that are in place, in any order */
	uint8_t *buf;  /* SUM_BLOCK bytes, owned */
};

/* Where one pagemap's pages come from and go to. */
struct source {
	struct pagemap_image image; /* image.runs == &written */
	const struct page_runs *runs;
	struct page_runs own_runs;   /* runs == &own_runs for segments */
	const struct proc_pid *proc; /* read from a task's memory, at base + va ... */
	uint64_t base;
	int fd; /* ... unless there is a file: owned, else -EBADF */
	bool is_segment;

	/* Under pump->lock, from the first portion on. */
	struct image_raw *raw; /* owned; open while portions are out */
	struct image_error error;
	struct page_runs written; /* in order */
	uint64_t pages;           /* written so far: the next one's place in the file */
	uint64_t zero;
	unsigned portions; /* claimed and not finished */
	bool is_claimed;   /* the last portion was claimed */
	struct list sheets;
};

struct pump {
	struct pump_config config;
	struct {
		VEC(struct source *);
	} sources; /* owned */
	struct pump_counts counts;
	pid_t caller; /* tid of the thread that reports progress */

	pthread_mutex_t lock;
	pthread_cond_t turn;
	/* The next portion to be claimed: a page of a run of a source. */
	size_t source, run;
	uint64_t page;
	uint64_t claimed;   /* portions so far: their numbers */
	uint64_t committed; /* portions that have taken their offset, in order of numbers */
	uint64_t moved;     /* bytes */
	struct list spare;  /* sheets to be used again */
	int failed;         /* the first failure, 0 while there is none */
	struct pump_error error;
};

/* The work of one of the crew: portions until there are none. arg is the pump. */
int pump_work(void *arg) nodiscard;
