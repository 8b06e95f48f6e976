#pragma once
/*
 * The pump: moves the contents of memory into pages-*.img and writes the pagemap-*.img beside them.
 * What is to be stored is added first (address spaces as planned by scan.h, shared segments), then
 * everything is moved at once, by several threads when it is much.
 *
 * Address spaces are read from outside, with process_vm_readv(2) in pieces of up to 1 MiB, and
 * through /proc/PID/mem where a mapping has no read permission. Shared segments are read from their
 * file, so that what no task has mapped at the moment, or what is swapped out, is there too.
 * Pages of zeros are left out where a missing page reads as zeros anyway.
 *
 *	claim 1 MiB   read    drop zeros   (in order) take an offset   fill blocks, sum and write
 *	claim 1 MiB   read    drop zeros           take an offset           fill blocks, sum and
 *write
 *
 * So offsets are known only after reading, but nobody waits for another's writing, and every block
 * of a pages file is written whole, once, with its sum.
 */
#include "image/error.h"
#include "kernel/proc/dir.h"
#include "model/mm.h"
#include "pages/scan.h"

struct image_dir;
struct pump;

struct pump_config {
	struct image_dir *images;
	unsigned max_threads; /* 0: as many as there are CPUs */
	bool keep_zero;       /* store pages of zeros too */
	bool keep_sharing;    /* the tasks go on: what they share copy-on-write stays shared (slower) */
	/* Called in the caller's thread now and then, with what was moved so far; NULL is fine. */
	void (*progress)(void *arg, uint64_t bytes);
	void *progress_arg;
};

struct pump_counts {
	uint64_t scanned, written, zero;                      /* private pages */
	uint64_t shared_scanned, shared_written, shared_zero; /* of segments */
};

/* Where it went wrong: a page of a task, or a file of the image directory, or neither. */
struct pump_error {
	pid_t pid; /* 0: not a task */
	uint64_t va;
	uint64_t shmid;           /* of a segment, with pid 0 and image.what empty */
	struct image_error image; /* what[0] is 0: not a file */
};

/* An empty pump; the caller's, for pump_free(). 0 or -ENOMEM. The directory is borrowed. */
int pump_new(const struct pump_config *config, struct pump **ret) nodiscard;
void pump_free(struct pump *pump);
SCOPED(struct pump *, pump_free);

/* The private pages of one address space. All borrowed until the pump is freed. */
struct pump_mm {
	const struct page_plan *plan;
	const struct proc_pid *proc; /* of a task that has it and stands still */
	pid_t pid;                   /* in the tree's pid namespace: names pagemap-<pid>.img */
	uint32_t pages_id;           /* names pages-<id>.img; unique in the dump */
};
int pump_add_mm(struct pump *pump, const struct pump_mm *mm) nodiscard;

/*
 * One shared segment: pagemap-shmem-<shmid>.img, where addresses are offsets. What is stored is cut
 * at shmem->size.
 *
 * fd: any descriptor of the file (borrowed during the call; O_PATH will do). Its position is not
 * touched: the file is opened anew. Negative: the segment is opened through the mapping at
 * shmem->at of shmem->task, /proc/PID/map_files, which `proc` is for; where that is not allowed,
 * and the segment is small (map_files needs CAP_CHECKPOINT_RESTORE), it is read through the
 * mapping, which makes holes in it real pages of zeros. 0, -ENOMEM, or the errno of open(2) and
 * lseek(2).
 */
struct pump_segment {
	const struct shmem *shmem; /* borrowed during the call */
	const struct proc_pid *proc;
	int fd;
	uint32_t pages_id;
};
int pump_add_segment(struct pump *pump, const struct pump_segment *segment) nodiscard;

/* Bytes that will be written at most. */
uint64_t pump_bytes(const struct pump *pump);

/*
 * Moves everything that was added; once. 0 or -errno with *ret_error filled: -ESRCH the task is
 * gone, -EFAULT a page cannot be read (hardware poison, for instance), -ENOSPC and the like from
 * the image directory. After a failure the image directory holds incomplete files.
 */
int pump_run(struct pump *pump, struct pump_error *ret_error) nodiscard;

/* What was moved; borrowed. counts->written + shared_written is exactly what the pages files hold.
 */
const struct pump_counts *pump_counts(const struct pump *pump);

/* Appends a clause: "task 812: the page at 0x7f0012345000 cannot be read". 0 or -ENOMEM. */
int pump_error_text(const struct pump_error *error, struct str *out);
