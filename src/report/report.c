/* Findings, frames and codes. See report.h. */
#include "report/report.h"

#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "base/fd.h"

struct code_row {
	const char *text, *remedy, *page;
};

static const struct code_row code_rows[CODE_MAX] = {
#define CODE(name, text, remedy, page) [CODE_##name] = { text, remedy, page },
#include "report/codes.def"
#undef CODE
};

const char *code_text(enum code code)
{
	return code < CODE_MAX ? code_rows[code].text : "E-UNKNOWN";
}

const char *code_remedy(enum code code)
{
	return code < CODE_MAX ? code_rows[code].remedy : "";
}

const char *code_page(enum code code)
{
	return code < CODE_MAX ? code_rows[code].page : "";
}

enum code code_find(const char *text)
{
	for (enum code c = 0; c < CODE_MAX; c++) {
		const char *own = code_rows[c].text;

		if (strcasecmp(own, text) == 0 || strcasecmp(own + 2, text) == 0)
			return c;
	}
	return CODE_MAX;
}

const char *severity_text(enum severity severity)
{
	switch (severity) {
	case SEVERITY_NOTE:
		return "note";
	case SEVERITY_WARNING:
		return "warning";
	case SEVERITY_FAILURE:
		break;
	}
	return "failure";
}

void report_init(struct report *r)
{
	memset(r, 0, sizeof(*r));
	list_init(&r->findings);
}

static void finding_free(struct finding *f)
{
	if (!f)
		return;
	mem_free(f->where);
	mem_free(f->cause);
	mem_free(f->remedy);
	mem_free(f);
}
SCOPED(struct finding *, finding_free);

void report_clear(struct report *r)
{
	struct finding *f;

	list_for_each(f, &r->findings, link) {
		list_del(&f->link);
		finding_free(f);
	}
	r->n_failures = 0;
	r->n_warnings = 0;
}

void report_done(struct report *r)
{
	report_clear(r);
}

const struct finding *report_first(const struct report *r)
{
	const struct finding *f;

	list_for_each(f, &r->findings, link)
		if (f->severity == SEVERITY_FAILURE)
			return f;
	return NULL;
}

void report_frame_push(struct report *r, struct frame *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(f->text, sizeof(f->text), fmt, ap); /* cut when longer */
	va_end(ap);
	f->outer = r->frame;
	r->frame = f;
}

void report_frame_pop(struct report *const *r)
{
	(*r)->frame = (*r)->frame->outer;
}

static void frames_add(const struct frame *f, struct str *s)
{
	if (!f)
		return;
	frames_add(f->outer, s);
	str_addf(s, "%s%s", s->len > 0 ? ": " : "", f->text);
}

int finding_text(const struct finding *f, struct str *s)
{
	str_addf(s, "%s%s%s", f->where, f->where[0] ? ": " : "", f->cause);
	if (f->code == CODE_SYSTEM && f->err < 0)
		str_addf(s, ": %s", strerrordesc_np(-f->err) ?: "unknown error");
	return s->failed ? -ENOMEM : 0;
}

const char *finding_remedy(const struct finding *f)
{
	return f->remedy[0] ? f->remedy : code_remedy(f->code);
}

static void finding_log(const struct finding *f, const char *here)
{
	static const enum log_level levels[] = {
		[SEVERITY_NOTE] = LOG_INFO,
		[SEVERITY_WARNING] = LOG_WARN,
		[SEVERITY_FAILURE] = LOG_ERROR,
	};
	scoped(str_done) struct str text = { 0 };
	const char *remedy = finding_remedy(f);

	(void)finding_text(f, &text); /* what fitted into memory is better than nothing */
	log_write(levels[f->severity], here, "%s [%s]", str_get(&text), code_text(f->code));
	if (remedy[0] && f->severity != SEVERITY_NOTE)
		log_write(LOG_INFO, here, "remedy: %s", remedy);
}

static void report_count(struct report *r, enum severity severity)
{
	if (severity == SEVERITY_FAILURE)
		r->n_failures++;
	else if (severity == SEVERITY_WARNING)
		r->n_warnings++;
}

/* The facts of a finding on their way into the record. */
struct facts {
	const char *here;
	enum severity severity;
	enum code code;
	int err;
	const char *remedy;
};

/* Takes the texts. */
static struct finding *finding_new_take(const struct facts *facts, char *where, char *cause)
{
	scoped(finding_free) struct finding *f = NEW(struct finding);

	if (!f) {
		mem_free(where);
		mem_free(cause);
		return NULL;
	}
	list_init(&f->link);
	f->severity = facts->severity;
	f->code = facts->code;
	f->err = facts->err;
	f->where = where;
	f->cause = cause;
	f->remedy = str_format("%s", facts->remedy ? facts->remedy : ""); /* "": the code's own */
	if (!f->where || !f->cause || !f->remedy)
		return NULL;
	return ptr_take(&f);
}

static void report_add(struct report *r, const struct facts *facts, const char *fmt, va_list ap)
	attr_printf(3, 0);
static void report_add(struct report *r, const struct facts *facts, const char *fmt, va_list ap)
{
	struct str where = { 0 }, cause = { 0 };
	struct finding *f;

	(void)str_vaddf(&cause, fmt, ap); /* str_take() tells */
	frames_add(r->frame, &where);
	report_count(r, facts->severity);
	f = finding_new_take(facts, str_take(&where), str_take(&cause));
	if (!f) {
		log_write(LOG_ERROR, facts->here, "%s, and no memory left to say more",
			  code_text(facts->code));
		return;
	}
	list_add_tail(&r->findings, &f->link);
	if (!r->quiet)
		finding_log(f, facts->here);
}

int report_fail_at(struct report *r, const char *here, int err, const char *fmt, ...)
{
	struct facts facts = { here, SEVERITY_FAILURE, CODE_SYSTEM, err, "" };
	va_list ap;

	va_start(ap, fmt);
	report_add(r, &facts, fmt, ap);
	va_end(ap);
	return err;
}

int report_refuse_at(struct report *r, const char *here, int err, enum code code, const char *fmt,
		     ...)
{
	struct facts facts = { here, SEVERITY_FAILURE, code, err, "" };
	va_list ap;

	va_start(ap, fmt);
	report_add(r, &facts, fmt, ap);
	va_end(ap);
	return err;
}

int report_refuse_with_at(struct report *r, const char *here, int err, enum code code,
			  const char *remedy, const char *fmt, ...)
{
	struct facts facts = { here, SEVERITY_FAILURE, code, err, remedy };
	va_list ap;

	va_start(ap, fmt);
	report_add(r, &facts, fmt, ap);
	va_end(ap);
	return err;
}

void report_warn_at(struct report *r, const char *here, enum code code, const char *fmt, ...)
{
	struct facts facts = { here, SEVERITY_WARNING, code, 0, "" };
	va_list ap;

	va_start(ap, fmt);
	report_add(r, &facts, fmt, ap);
	va_end(ap);
}

void report_note_at(struct report *r, const char *here, const char *fmt, ...)
{
	struct facts facts = { here, SEVERITY_NOTE, CODE_NOTE, 0, "" };
	va_list ap;

	va_start(ap, fmt);
	report_add(r, &facts, fmt, ap);
	va_end(ap);
}

/* A finding between processes: this head, then where, cause and remedy with their NULs. */
struct sent {
	uint32_t size; /* of head and texts */
	uint32_t severity;
	int32_t err;
	uint32_t code;
};

#define SENT_TEXT_MAX 1300 /* three of them and the head fit into PIPE_BUF */
static_assert(sizeof(struct sent) + 3 * (SENT_TEXT_MAX + 1) <= PIPE_BUF, "one write is atomic");

/* Appends at most SENT_TEXT_MAX bytes of the text and a NUL; gives the new end. */
static char *sent_put(char *at, const char *text)
{
	size_t len = strnlen(text, SENT_TEXT_MAX);

	memcpy(at, text, len);
	at[len] = '\0';
	return at + len + 1;
}

int report_send(const struct report *r, int fd)
{
	const struct finding *f;

	list_for_each(f, &r->findings, link) {
		char out[PIPE_BUF], *end = out + sizeof(struct sent);
		struct sent head = { .severity = f->severity, .err = f->err, .code = f->code };
		int ret;

		end = sent_put(end, f->where);
		end = sent_put(end, f->cause);
		end = sent_put(end, f->remedy);
		head.size = (uint32_t)(end - out);
		memcpy(out, &head, sizeof(head));
		ret = fd_write_all(fd, out, head.size);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* Splits the texts of a sent finding; false unless they are exactly three. */
static bool sent_texts(const char *p, size_t len, const char *ret_text[3])
{
	for (int i = 0; i < 3; i++) {
		size_t n = strnlen(p, len);

		if (n == len)
			return false;
		ret_text[i] = p;
		p += n + 1;
		len -= n + 1;
	}
	return len == 0;
}

static int report_adopt(struct report *r, const struct sent *head, const char *const text[3])
{
	struct facts facts = {
		.severity = head->severity,
		.code = head->code,
		.err = head->err,
		.remedy = text[2],
	};
	struct finding *f;

	report_count(r, facts.severity);
	f = finding_new_take(&facts, str_format("%s", text[0]), str_format("%s", text[1]));
	if (!f)
		return -ENOMEM;
	list_add_tail(&r->findings, &f->link);
	return 0;
}

static bool sent_is_sane(const struct sent *head)
{
	return head->size > sizeof(*head) && head->size <= PIPE_BUF && head->code < CODE_MAX &&
	       head->severity <= SEVERITY_FAILURE && head->err <= 0 && head->err >= -4095;
}

int report_receive(struct report *r, int fd)
{
	char in[PIPE_BUF];
	const char *text[3];
	struct sent head;

	for (;;) {
		ssize_t n = fd_read_some(fd, &head, sizeof(head));
		int ret;

		if (n == 0 || n == -EAGAIN)
			return 0;
		if (n < 0)
			return (int)n;
		if (n < (ssize_t)sizeof(head) || !sent_is_sane(&head))
			return -EBADMSG;
		ret = fd_read_all(fd, in, head.size - sizeof(head));
		if (ret < 0)
			return ret == -ENODATA ? -EBADMSG : ret;
		if (!sent_texts(in, head.size - sizeof(head), text))
			return -EBADMSG;
		ret = report_adopt(r, &head, text);
		if (ret < 0)
			return ret;
	}
}
