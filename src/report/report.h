#pragma once
/*
 * Failures as records. A refusal or failure has a stable code (codes.def), an object ("where":
 * task, fd, path, address), a cause and a remedy. The text on the terminal, in the log, in JSON and
 * over RPC comes from the same record.
 *
 * "Where" is not repeated in messages: REPORT_FRAME(rep, "task %d", pid) pushes it for the rest of
 * the block, and the user reads "dump: task 812: fd 7 (epoll): watches a closed descriptor: Bad
 * file descriptor".
 *
 * Rooms base, kernel, image, inject, model and pages return errors; request, object, dump, restore
 * and the front ends report them, once, where the most is known; callers of a reporting function
 * only pass the code on.
 */
#include <stdio.h>

#include "base/list.h"
#include "base/str.h"
#include "report/log.h"

enum code {
#define CODE(name, text, remedy, page) CODE_##name,
#include "report/codes.def"
#undef CODE
	CODE_MAX,
};

enum severity { SEVERITY_NOTE, SEVERITY_WARNING, SEVERITY_FAILURE };

/* One finding. All strings are owned by the record. */
struct finding {
	struct list link;
	enum severity severity;
	enum code code;
	int err;      /* -errno as given; its text follows the cause when the code is E-SYSTEM */
	char *where;  /* frames joined by ": ", may be "" */
	char *cause;  /* what is wrong, a clause without full stop */
	char *remedy; /* what helps; never NULL: "" when the code's own remedy says it */
};

struct frame {
	struct frame *outer;
	char text[160];
};

/* Belongs to one process and one thread of it. */
struct report {
	struct list findings;          /* oldest first */
	size_t n_failures, n_warnings; /* counted even when there was no memory for the record */
	struct frame *frame;           /* innermost */
	bool quiet; /* findings are not written to the log: set it after report_init() */
};

/* Every finding is also written to the log at the moment it is made. */
void report_init(struct report *r);
void report_done(struct report *r);
SCOPED_OBJECT(struct report, report_done);

/*
 * The functions that record take the place in the source first; call them through the macros of the
 * same name without _at. All texts are formatted and copied.
 */
int report_fail_at(struct report *r, const char *here, int err, const char *fmt, ...)
	attr_printf(4, 5);
int report_refuse_at(struct report *r, const char *here, int err, enum code code, const char *fmt,
		     ...) attr_printf(5, 6);
int report_refuse_with_at(struct report *r, const char *here, int err, enum code code,
			  const char *remedy, const char *fmt, ...) attr_printf(6, 7);
void report_warn_at(struct report *r, const char *here, enum code code, const char *fmt, ...)
	attr_printf(4, 5);
void report_note_at(struct report *r, const char *here, const char *fmt, ...) attr_printf(3, 4);

/*
 * report_fail(r, err, fmt, ...): a system call or helper failed with err (-errno). Records code
 * E-SYSTEM with the errno's text behind the cause. Gives err back, so that
 * `return report_fail(rep, r, "cannot ...")` reports and returns in one line.
 */
#define report_fail(r, err, ...) report_fail_at(r, LOG_HERE, err, __VA_ARGS__)

/*
 * report_refuse(r, err, code, fmt, ...): a refusal or failure of a known kind. err is what the
 * function shall return (-ENOTSUP we cannot, -ENOSYS this kernel cannot, -EUCLEAN the image is
 * damaged, -ESRCH the target is gone, -EEXIST, -EPERM...). The remedy is the code's.
 */
#define report_refuse(r, err, code, ...) report_refuse_at(r, LOG_HERE, err, code, __VA_ARGS__)

/* report_refuse_with(r, err, code, remedy, fmt, ...): as report_refuse(), with a remedy that names
 * the object at hand. */
#define report_refuse_with(r, err, code, remedy, ...)                                              \
	report_refuse_with_at(r, LOG_HERE, err, code, remedy, __VA_ARGS__)

/* report_warn(r, code, fmt, ...): something the user should know that stops nothing; says what we
 * do instead. */
#define report_warn(r, code, ...) report_warn_at(r, LOG_HERE, code, __VA_ARGS__)

/* report_note(r, fmt, ...): a fact for the summary and the JSON, of code E-NOTE. */
#define report_note(r, ...) report_note_at(r, LOG_HERE, __VA_ARGS__)

/* The first failure, or NULL. */
const struct finding *report_first(const struct report *r);
/* Forgets the findings (not the frames). */
void report_clear(struct report *r);

/*
 * Findings of a child process. report_send() writes them to a descriptor, each in one write(2) of
 * at most PIPE_BUF bytes (longer texts are cut), so that many children can share a pipe.
 * report_receive() reads what is there, to end of file or -EAGAIN, and adds it as it is: the child
 * inherited the frames that were open at its fork. It should report_clear() after the fork, or it
 * sends what the parent already has. Nothing is logged again. The bytes are checked: -EBADMSG on
 * anything else than report_send() wrote; what was good before is kept. 0 or -errno.
 */
int report_send(const struct report *r, int fd) nodiscard;
int report_receive(struct report *r, int fd) nodiscard;

/* One line "where: cause: strerror" without code and remedy; appended to *s. 0 or -ENOMEM. */
int finding_text(const struct finding *f, struct str *s);
/* What helps with this finding: its own remedy or its code's; "" when nothing is known. */
const char *finding_remedy(const struct finding *f);
/* "failure", "warning", "note". */
const char *severity_text(enum severity severity);

/* Static facts of a code: "E-TTY-OUTSIDE", the remedy in general, the page of `stasis explain`. */
const char *code_text(enum code code);
const char *code_remedy(enum code code);
const char *code_page(enum code code);
/* The code of a text (any case, with or without "E-"); CODE_MAX when there is none. */
enum code code_find(const char *text);

void report_frame_push(struct report *r, struct frame *f, const char *fmt, ...) attr_printf(3, 4);
void report_frame_pop(struct report *const *r);

#define REPORT_CAT_(a, b) a##b
#define REPORT_CAT(a, b)  REPORT_CAT_(a, b)
/* Lasts to the end of the enclosing block. */
#define REPORT_FRAME(rep, ...)                                                                     \
	struct frame REPORT_CAT(frame_, __LINE__);                                                 \
	struct report *REPORT_CAT(frame_of_, __LINE__)                                             \
		__attribute__((cleanup(report_frame_pop), __unused__)) = (rep);                    \
	report_frame_push((rep), &REPORT_CAT(frame_, __LINE__), __VA_ARGS__)
