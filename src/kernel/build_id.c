/* The build-id of an ELF file. See build_id.h. */
#include "kernel/build_id.h"

#include <elf.h>
#include <string.h>

#include "base/fd.h"

/* Lengths above this are no note of a linker. */
#define NOTES_MAX 65536u

static size_t padded(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

int build_id_parse(const void *notes, size_t len, struct build_id *ret)
{
	const uint8_t *p = notes;

	while (len >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr h;
		size_t name, desc;

		memcpy(&h, p, sizeof(h));
		p += sizeof(h);
		len -= sizeof(h);
		name = padded(h.n_namesz);
		desc = padded(h.n_descsz);
		if (h.n_namesz > NOTES_MAX || h.n_descsz > NOTES_MAX || name > len)
			return -EINVAL;
		if (h.n_descsz > len - name)
			return -EINVAL;
		if (h.n_type == NT_GNU_BUILD_ID && h.n_namesz == 4 && memcmp(p, "GNU", 4) == 0) {
			if (h.n_descsz == 0 || h.n_descsz > BUILD_ID_MAX)
				return -EINVAL;
			*ret = (struct build_id){ .len = h.n_descsz };
			memcpy(ret->bytes, p + name, h.n_descsz);
			return 0;
		}
		/* The last note may lack its padding. */
		desc = MIN(desc, len - name);
		p += name + desc;
		len -= name + desc;
	}
	return -ENOENT;
}

/* What both classes of program header say. */
struct segment {
	uint32_t type;
	uint64_t offset, size;
};

static int read_at(int fd, void *buf, size_t len, uint64_t offset)
{
	int r;

	if (offset > INT64_MAX - len)
		return -EINVAL;
	r = fd_pread_all(fd, buf, len, offset);
	return r == -ENODATA ? -EINVAL : r;
}

static int read_segment(int fd, bool wide, uint64_t table, unsigned index, struct segment *ret)
{
	Elf64_Phdr p64;
	Elf32_Phdr p32;
	int r;

	if (wide) {
		if (__builtin_add_overflow(table, index * sizeof(p64), &table))
			return -EINVAL;
		r = read_at(fd, &p64, sizeof(p64), table);
		if (r == 0)
			*ret = (struct segment){ p64.p_type, p64.p_offset, p64.p_filesz };
		return r;
	}
	r = read_at(fd, &p32, sizeof(p32), table + index * sizeof(p32));
	if (r == 0)
		*ret = (struct segment){ p32.p_type, p32.p_offset, p32.p_filesz };
	return r;
}

static int read_notes(int fd, const struct segment *s, struct build_id *ret)
{
	_Alignas(Elf64_Nhdr) uint8_t notes[4096];
	int r;

	/* Linkers put the id first or nearly so; a segment larger than this is cut. */
	size_t len = (size_t)MIN(s->size, (uint64_t)sizeof(notes));

	r = read_at(fd, notes, len, s->offset);
	if (r < 0)
		return r;
	r = build_id_parse(notes, len, ret);
	return r == -EINVAL && len < s->size ? -ENOENT : r;
}

int build_id_read(int fd, struct build_id *ret)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf64_Ehdr e64;
		Elf32_Ehdr e32;
	} h = { 0 };
	ssize_t n;
	bool wide;
	unsigned segments;
	uint64_t table;
	int r;

	n = fd_pread_all(fd, &h, sizeof(h.e32), 0);
	if (n < 0)
		return n == -ENODATA ? -ENOEXEC : (int)n;
	if (memcmp(h.ident, ELFMAG, SELFMAG) != 0 || h.ident[EI_DATA] != ELFDATA2LSB)
		return -ENOEXEC;
	wide = h.ident[EI_CLASS] == ELFCLASS64;
	if (wide) {
		r = read_at(fd, &h.e64, sizeof(h.e64), 0);
		if (r < 0)
			return r;
	}
	if (h.ident[EI_CLASS] != ELFCLASS64 && h.ident[EI_CLASS] != ELFCLASS32)
		return -ENOEXEC;
	if ((wide ? h.e64.e_phentsize : h.e32.e_phentsize) !=
	    (wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)))
		return -EINVAL;
	segments = wide ? h.e64.e_phnum : h.e32.e_phnum;
	table = wide ? h.e64.e_phoff : h.e32.e_phoff;

	for (unsigned i = 0; i < segments && i < 256; i++) {
		struct segment s;

		r = read_segment(fd, wide, table, i, &s);
		if (r == 0 && s.type == PT_NOTE)
			r = read_notes(fd, &s, ret);
		else if (r == 0)
			continue;
		if (r != -ENOENT)
			return r;
	}
	return -ENOENT;
}
