#pragma once
/* What the parts of filling share: fill.c decides where and how, fill_move.c moves, fresh.c is the
 * way through userfaultfd. */
#include <pthread.h>

#include "pages/crew.h"
#include "pages/fill.h"

/* How a page gets in place. */
enum place {
	PLACE_READ,    /* read(2) writes it */
	PLACE_FRESH,   /* there is none yet: userfaultfd */
	PLACE_COMPARE, /* there is one, which may be equal */
	PLACE_WRITE,   /* write(2) to the segment's file */
};

/* A piece of one block of a pages file, and its place. */
struct parcel {
	size_t file;
	uint64_t page; /* in the file */
	uint64_t n;    /* pages */
	uint64_t at;   /* address of ours, or offset in the segment */
	enum place place;
};

struct filler; /* one of the crew */

struct fill {
	const struct page_store *store;
	const struct fill_config *config;
	struct {
		VEC(struct parcel);
	} parcels;
	struct image_raw **raws;        /* by file; owned */
	struct image_error *raw_errors; /* by file; owned */
	int fresh;                      /* userfaultfd, owned, or -EBADF */
	int segment;                    /* borrowed, for PLACE_WRITE */
	struct fill_counts *counts;
	struct image_error *err;

	pthread_mutex_t lock;
	size_t next; /* parcel */
	struct filler *fillers;
	unsigned n_fillers, started;
	int failed; /* the first failure */
	const struct image_error *failed_error;
};

/* Adds n pages, cut at the blocks of the pages file. */
int fill_add(struct fill *f, const struct page_piece *piece, uint64_t at,
	     enum place place) nodiscard;
/* Moves all parcels; then everything but the lists is given back. */
int fill_run(struct fill *f) nodiscard;
void fill_done(struct fill *f);
SCOPED_OBJECT(struct fill, fill_done);

/*
 * The way through userfaultfd. fresh_new() gives a descriptor or -errno; where it is not to be had,
 * pages are read into place instead.
 */
int fresh_new(void) nodiscard;
/* Takes a range of private anonymous memory; -errno when it cannot be. Until the descriptor is
 * closed, touching a page of it that does not exist is fatal (SIGBUS). */
int fresh_register(int fd, uint64_t at, uint64_t len) nodiscard;
/* Makes n pages with these contents. Where one is already, it is overwritten. */
int fresh_fill(int fd, uint64_t at, const uint8_t *contents, uint64_t n) nodiscard;
