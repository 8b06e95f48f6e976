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
	int err;      /* -errno, or 0 when no system error is behind it */
	char *where;  /* frames joined by ": ", may be "" */
	char *cause;  /* what is wrong, a clause without full stop */
	char *remedy; /* what helps; never NULL: "" when the code's own remedy says it */
};

struct frame {
	struct frame *outer;
	char text[160];
};

struct log;

struct report {
	struct list findings;
	size_t n_failures, n_warnings;
	struct frame *frame; /* innermost */
	struct log *log;     /* borrowed; may be NULL */
};

void report_init(struct report *r, struct log *log);
void report_done(struct report *r);
SCOPED_OBJECT(struct report, report_done);

/*
 * A system call or helper failed with err (-errno): records code E-SYSTEM with the errno's text
 * behind the cause. Gives err back, so that `return report_fail(rep, r, "cannot ...")` reports and
 * returns in one line.
 */
int report_fail(struct report *r, int err, const char *fmt, ...) attr_printf(3, 4);

/*
 * A refusal or failure of a known kind. err is what the function shall return (-ENOTSUP we cannot,
 * -ENOSYS this kernel cannot, -EUCLEAN the image is damaged, -ESRCH the target is gone, -EEXIST,
 * -EPERM...). The remedy is the code's.
 */
int report_refuse(struct report *r, int err, enum code code, const char *fmt, ...)
	attr_printf(4, 5);

/* As report_refuse(), with a remedy that names the object at hand; remedy is copied. */
int report_refuse_with(struct report *r, int err, enum code code, const char *remedy,
		       const char *fmt, ...) attr_printf(5, 6);

/* Something the user should know that stops nothing: says what we do instead. */
void report_warn(struct report *r, enum code code, const char *fmt, ...) attr_printf(3, 4);

/* The first failure, or NULL. */
const struct finding *report_first(const struct report *r);
/* Forgets the findings (not the frames). */
void report_clear(struct report *r);

/* One line "where: cause: strerror" without code and remedy; in *s. */
int finding_text(const struct finding *f, struct str *s);

/* Static facts of a code: "E-TTY-OUTSIDE", the remedy in general, the page of `stasis explain`. */
const char *code_text(enum code code);
const char *code_remedy(enum code code);
const char *code_page(enum code code);
/* The code of a text (any case); CODE_MAX when there is none. */
enum code code_find(const char *text);

void report_frame_push(struct report *r, struct frame *f, const char *fmt, ...) attr_printf(3, 4);
void report_frame_pop(struct report *const *r);

#define REPORT_CAT_(a, b) a##b
#define REPORT_CAT(a, b)  REPORT_CAT_(a, b)
/* Lasts to the end of the enclosing block. */
#define REPORT_FRAME(rep, ...)                                                                     \
	struct frame REPORT_CAT(frame_, __LINE__);                                                 \
	struct report *REPORT_CAT(frame_of_, __LINE__)                                             \
		__attribute__((cleanup(report_frame_pop), unused)) = (rep);                        \
	report_frame_push((rep), &REPORT_CAT(frame_, __LINE__), __VA_ARGS__)
