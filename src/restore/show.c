/* Printing images. See show.h. */
#include "restore/show.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/vec.h"
#include "image/reader.h"
#include "image/text.h"
#include "image/type.h"

struct show {
	enum show_form form;
	struct report *rep;
	FILE *out;
	unsigned shown;
};

static int refuse(const struct show *s, int r, const struct image_error *err)
{
	if (r == -EUCLEAN)
		return report_refuse(s->rep, r, CODE_IMAGE_DAMAGED, "%s", err->what);
	return report_fail(s->rep, r, "%s", err->what[0] ? err->what : "cannot be shown");
}

/* Only what can be read goes out: the text of a damaged file would end in the middle. */
static int file_text(const struct show *s, int fd, const char *name, char **ret_text)
{
	const struct image_text_options how = {
		.pretty = s->form == SHOW_TEXT,
		.no_payload = s->form == SHOW_TEXT,
	};
	scoped(image_reader_free) struct image_reader *in = NULL;
	struct image_error err = { 0 };
	size_t len = 0;
	FILE *f;
	int r;

	r = image_reader_guess_take_fd(fd, name, &err, &in);
	if (r < 0)
		return refuse(s, r, &err);
	f = open_memstream(ret_text, &len);
	if (!f)
		return report_fail(s->rep, -errno, "cannot keep the text");
	r = image_text(in, &how, f);
	if (fclose(f) == EOF && r == 0)
		r = -ENOMEM;
	return r < 0 ? refuse(s, r, &err) : 0;
}

static int show_file(struct show *s, int dir, const char *name, bool alone)
{
	REPORT_FRAME(s->rep, "%s", name);
	scoped(mem_free) char *text = NULL;
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY), r;

	if (fd < 0)
		return report_fail(s->rep, -errno, "cannot open it");
	r = file_text(s, fd, name, &text);
	if (r < 0)
		return r;
	if (s->form == SHOW_JSON && !alone)
		fprintf(s->out, "%s\"%s\": ", s->shown > 0 ? ",\n" : "", name);
	else if (!alone)
		fprintf(s->out, "%s%s\n", s->shown > 0 ? "\n" : "", name);
	fputs(text, s->out);
	s->shown++;
	return 0;
}

/* Names of images of records; others (contents of pages, logs) have nothing to show. */
static int is_record_image(const struct dirent *e)
{
	enum image_type type;
	uint64_t id;

	return image_name_parse(e->d_name, &type, &id) == 0 && image_form(type)->entry;
}

static int show_dir(struct show *s, int dir)
{
	struct dirent **names = NULL;
	int n = scandirat(dir, ".", &names, is_record_image, versionsort);
	int ret = 0;

	if (n < 0)
		return report_fail(s->rep, -errno, "cannot list the directory");
	if (n == 0)
		ret = report_refuse(s->rep, -ENOENT, CODE_IMAGE_MISSING,
				    "there are no images in it");
	if (s->form == SHOW_JSON)
		fputs("{", s->out);
	for (int i = 0; i < n; i++) {
		/* A name is taken from the table of names, so it needs no quoting in JSON. */
		int r = show_file(s, dir, names[i]->d_name, false);

		ret = r < 0 ? r : ret;
		mem_free(names[i]);
	}
	mem_free(names);
	if (s->form == SHOW_JSON)
		fputs("}\n", s->out);
	return ret;
}

int show_run(const char *path, enum show_form form, struct report *rep, FILE *out)
{
	REPORT_FRAME(rep, "show");
	struct show s = { .form = form, .rep = rep, .out = out };
	scoped(fd_close) int dir = -EBADF;
	struct stat st;

	if (stat(path, &st) < 0)
		return report_fail(rep, -errno, "cannot open %s", path);
	if (!S_ISDIR(st.st_mode))
		return show_file(&s, AT_FDCWD, path, true);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return report_fail(rep, -errno, "cannot open %s", path);
	return show_dir(&s, dir);
}
