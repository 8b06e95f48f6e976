/* /proc/PID/maps and smaps. See maps.h. */
#include "kernel/proc/maps.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>

static const char *const vmflag_codes[] = {
#define VMFLAG(name, code, about) [PROC_VMFLAG_BIT_##name] = code,
#include "kernel/proc/vmflags.def"
#undef VMFLAG
};

const char *proc_vmflag_code(enum proc_vmflag_bit bit)
{
	return (size_t)bit < ARRAY_SIZE(vmflag_codes) ? vmflag_codes[bit] : "??";
}

static int parse_vm_flags(struct scan *s, uint64_t *ret)
{
	uint64_t flags = 0;

	for (;;) {
		unsigned bit = 0;

		scan_blanks(s);
		if (scan_at_end(s))
			break;
		if (scan_left(s) < 2)
			return -EINVAL;
		while (bit < PROC_VMFLAG_BIT_OTHER && memcmp(vmflag_codes[bit], s->at, 2) != 0)
			bit++;
		flags |= UINT64_C(1) << bit;
		s->at += 2;
	}
	*ret = flags;
	return 0;
}

static bool scan_flag(struct scan *s, char yes, char no, bool *ret)
{
	*ret = scan_char(s, yes);
	return *ret || scan_char(s, no);
}

static bool scan_permissions(struct scan *s, struct proc_map *m)
{
	bool r, w, x;

	if (!scan_flag(s, 'r', '-', &r) || !scan_flag(s, 'w', '-', &w) ||
	    !scan_flag(s, 'x', '-', &x) || !scan_flag(s, 's', 'p', &m->shared))
		return false;
	m->prot = (r ? PROT_READ : 0) | (w ? PROT_WRITE : 0) | (x ? PROT_EXEC : 0);
	return true;
}

static const struct {
	const char *text;
	enum proc_map_kind kind;
} special_names[] = {
	{ "[heap]", PROC_MAP_HEAP },
	{ "[stack]", PROC_MAP_STACK },
	{ "[vdso]", PROC_MAP_VDSO },
	{ "[vvar]", PROC_MAP_VVAR },
	{ "[vvar_vclock]", PROC_MAP_VVAR_VCLOCK },
	{ "[vsyscall]", PROC_MAP_VSYSCALL },
	{ "[uprobes]", PROC_MAP_UPROBES },
};

/* Takes PREFIX and the closing bracket off. */
static bool name_unwrap(struct span *name, const char *prefix)
{
	size_t len = strlen(prefix);

	if (!span_begins(*name, prefix) || !span_ends(*name, "]"))
		return false;
	name->p += len;
	name->len -= len + 1;
	return true;
}

static enum proc_map_kind classify(struct span *name, bool *deleted)
{
	static const char gone[] = " (deleted)";

	if (name->len == 0)
		return PROC_MAP_ANON;
	if (name->p[0] == '[') {
		for (size_t i = 0; i < ARRAY_SIZE(special_names); i++)
			if (span_is(*name, special_names[i].text))
				return special_names[i].kind;
		if (name_unwrap(name, "[anon:"))
			return PROC_MAP_ANON_NAMED;
		if (name_unwrap(name, "[anon_shmem:"))
			return PROC_MAP_SHMEM_NAMED;
		return PROC_MAP_SPECIAL;
	}
	if (span_ends(*name, gone)) {
		name->len -= sizeof(gone) - 1;
		*deleted = true;
	}
	return PROC_MAP_FILE;
}

static int parse_header(struct scan line, struct proc_map *m)
{
	if (!scan_u64(&line, 16, &m->start) || !scan_char(&line, '-') ||
	    !scan_u64(&line, 16, &m->end) || !scan_char(&line, ' ') ||
	    !scan_permissions(&line, m) || !scan_char(&line, ' ') ||
	    !scan_u64(&line, 16, &m->offset) || !scan_char(&line, ' ') ||
	    !scan_u32(&line, 16, &m->major) || !scan_char(&line, ':') ||
	    !scan_u32(&line, 16, &m->minor) || !scan_char(&line, ' ') ||
	    !scan_u64(&line, 10, &m->ino))
		return -EINVAL;
	if (m->start >= m->end || m->start % PAGE_SIZE || m->end % PAGE_SIZE)
		return -EINVAL;
	if (!scan_at_end(&line) && *line.at != ' ')
		return -EINVAL;
	/* Padding up to the name; no name that the kernel prints begins with a blank. */
	while (scan_char(&line, ' '))
		;
	m->name = (struct span){ .p = line.at, .len = scan_left(&line) };
	m->kind = classify(&m->name, &m->deleted);
	return 0;
}

static int parse_kb(struct scan *s, uint64_t *ret)
{
	uint64_t v;

	if (!scan_u64(s, 10, &v) || v > (UINT64_MAX >> 10) || !scan_text(s, " kB"))
		return -EINVAL;
	*ret = v << 10;
	return 0;
}

static int parse_detail(struct scan line, struct proc_map *m)
{
	struct span key;

	if (!scan_until(&line, ':', &key))
		return -EINVAL;
	scan_blanks(&line);
	m->has_details = true;
	if (span_is(key, "Rss"))
		return parse_kb(&line, &m->rss);
	if (span_is(key, "Anonymous"))
		return parse_kb(&line, &m->anonymous);
	if (span_is(key, "Swap"))
		return parse_kb(&line, &m->swap);
	if (span_is(key, "Locked"))
		return parse_kb(&line, &m->locked);
	if (span_is(key, "KernelPageSize"))
		return parse_kb(&line, &m->kernel_page_size);
	if (span_is(key, "ProtectionKey"))
		return scan_u64(&line, 10, &m->protection_key) ? 0 : -EINVAL;
	if (span_is(key, "VmFlags"))
		return parse_vm_flags(&line, &m->vm_flags);
	return 0;
}

int proc_maps_next(struct proc_maps_walk *w, struct proc_map *ret)
{
	struct proc_map m = { 0 };
	struct scan line;
	int r;

	if (!scan_line(&w->rest, &line))
		return 0;
	r = parse_header(line, &m);
	if (r < 0)
		return r;
	/* Two reads of a page each, with a merge of mappings between them. */
	if (m.start < w->last_end)
		return -EAGAIN;
	w->last_end = m.end;

	/* Detail lines begin with a capital, entries with a lower-case hexadecimal digit. */
	while (!scan_at_end(&w->rest) && *w->rest.at >= 'A' && *w->rest.at <= 'Z') {
		(void)scan_line(&w->rest, &line); /* there is one */
		r = parse_detail(line, &m);
		if (r < 0)
			return r;
	}
	*ret = m;
	return 1;
}

int proc_maps_read(const struct proc_pid *p, struct proc_text *text)
{
	return proc_text_read(p, "maps", text);
}

int proc_smaps_read(const struct proc_pid *p, struct proc_text *text)
{
	return proc_text_read(p, "smaps", text);
}

struct map_file_name {
	char text[64];
};

static struct map_file_name map_file_name(uint64_t start, uint64_t end)
{
	struct map_file_name name;

	(void)snprintf(name.text, sizeof(name.text), "map_files/%" PRIx64 "-%" PRIx64, start, end);
	return name;
}

int proc_map_file_open(const struct proc_pid *p, uint64_t start, uint64_t end, int flags)
{
	return proc_file_open(p, map_file_name(start, end).text, flags);
}

ssize_t proc_map_file_link(const struct proc_pid *p, uint64_t start, uint64_t end, char *buf,
			   size_t room)
{
	return proc_link_read(p, map_file_name(start, end).text, buf, room);
}

int proc_map_file_stat(const struct proc_pid *p, uint64_t start, uint64_t end, struct stat *ret)
{
	return proc_file_stat(p, map_file_name(start, end).text, ret);
}
