/* See vdso.h. */
#include "inject/vdso.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "inject/arch.h"

#define SYMBOLS_MAX 256

/* An image being read. Addresses inside are relative to `bias`, the first segment's. */
struct image {
	const unsigned char *p;
	size_t len;
	uint64_t bias;
	uint64_t symtab, strtab, hash, gnu_hash; /* addresses as the image has them; 0: none */
	uint64_t strsz;
};

/* `len` bytes at an address, or NULL. */
static const void *image_at(const struct image *im, uint64_t addr, uint64_t len)
{
	uint64_t offset = addr - im->bias;

	if (offset > im->len || len > im->len - offset)
		return NULL;
	return im->p + offset;
}

static bool image_u32(const struct image *im, uint64_t addr, uint32_t *ret)
{
	const void *p = image_at(im, addr, sizeof(*ret));

	if (!p)
		return false;
	memcpy(ret, p, sizeof(*ret));
	return true;
}

static int read_dynamic(struct image *im, const Elf64_Phdr *ph)
{
	for (uint64_t i = 0; i < ph->p_filesz / sizeof(Elf64_Dyn); i++) {
		const void *p =
			image_at(im, ph->p_vaddr + i * sizeof(Elf64_Dyn), sizeof(Elf64_Dyn));
		Elf64_Dyn d;

		if (!p)
			return -EUCLEAN;
		memcpy(&d, p, sizeof(d));
		if (d.d_tag == DT_NULL)
			break;
		if (d.d_tag == DT_SYMTAB)
			im->symtab = d.d_un.d_ptr;
		else if (d.d_tag == DT_STRTAB)
			im->strtab = d.d_un.d_ptr;
		else if (d.d_tag == DT_STRSZ)
			im->strsz = d.d_un.d_val;
		else if (d.d_tag == DT_HASH)
			im->hash = d.d_un.d_ptr;
		else if (d.d_tag == DT_GNU_HASH)
			im->gnu_hash = d.d_un.d_ptr;
	}
	return im->symtab && im->strtab && (im->hash || im->gnu_hash) ? 0 : -EUCLEAN;
}

static int read_headers(struct image *im)
{
	const Elf64_Phdr *dynamic = NULL, *load = NULL;
	Elf64_Ehdr eh;
	static_assert(_Alignof(Elf64_Phdr) <= 8, "images are page-aligned");

	if (im->len < sizeof(eh))
		return -EUCLEAN;
	memcpy(&eh, im->p, sizeof(eh));
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_ident[EI_DATA] != ELFDATA2LSB || eh.e_machine != arch_elf_machine ||
	    eh.e_phentsize != sizeof(Elf64_Phdr) || eh.e_phoff % 8 != 0 || eh.e_phoff > im->len ||
	    eh.e_phnum > (im->len - eh.e_phoff) / sizeof(Elf64_Phdr))
		return -EUCLEAN;
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		const Elf64_Phdr *ph = (const Elf64_Phdr *)(im->p + eh.e_phoff) + i;

		if (ph->p_type == PT_LOAD && !load)
			load = ph;
		if (ph->p_type == PT_DYNAMIC && !dynamic)
			dynamic = ph;
	}
	if (!load || !dynamic || load->p_offset != 0)
		return -EUCLEAN;
	im->bias = load->p_vaddr;
	return read_dynamic(im, dynamic);
}

/* The number of symbols after the last chain of a GNU hash table; 0 when it is damaged. */
static uint32_t count_gnu(const struct image *im)
{
	uint32_t n_buckets, first, bloom, last = 0, link;
	uint64_t buckets, chains;

	if (!image_u32(im, im->gnu_hash, &n_buckets) || !image_u32(im, im->gnu_hash + 4, &first) ||
	    !image_u32(im, im->gnu_hash + 8, &bloom))
		return 0;
	buckets = im->gnu_hash + 16 + (uint64_t)bloom * 8;
	chains = buckets + (uint64_t)n_buckets * 4;
	for (uint32_t i = 0; i < n_buckets; i++) {
		uint32_t bucket;

		if (!image_u32(im, buckets + (uint64_t)i * 4, &bucket))
			return 0;
		last = MAX(last, bucket);
	}
	if (last < first)
		return 0;
	do {
		if (last - first >= SYMBOLS_MAX ||
		    !image_u32(im, chains + (uint64_t)(last - first) * 4, &link))
			return 0;
		last++;
	} while (!(link & 1));
	return last;
}

static uint32_t count_symbols(const struct image *im)
{
	uint32_t n;

	/* The second word of a SysV table is the number of symbols. */
	if (im->hash)
		return image_u32(im, im->hash + 4, &n) ? n : 0;
	return count_gnu(im);
}

/* 1: a function, *ret is filled in; 0: something else. */
static int read_symbol(const struct image *im, uint32_t i, struct vdso_symbol *ret)
{
	const void *p =
		image_at(im, im->symtab + (uint64_t)i * sizeof(Elf64_Sym), sizeof(Elf64_Sym));
	const char *name;
	unsigned type;
	Elf64_Sym sym;
	size_t room;

	if (!p)
		return -EUCLEAN;
	memcpy(&sym, p, sizeof(sym));
	type = ELF64_ST_TYPE(sym.st_info);
	if (sym.st_shndx == SHN_UNDEF || sym.st_shndx >= SHN_LORESERVE ||
	    (type != STT_FUNC && type != STT_NOTYPE))
		return 0;
	if (sym.st_name >= im->strsz || !image_at(im, sym.st_value, 1))
		return -EUCLEAN;
	room = MIN(im->strsz - sym.st_name, (uint64_t)VDSO_NAME);
	name = image_at(im, im->strtab + sym.st_name, room);
	if (!name || !memchr(name, 0, room))
		return -EUCLEAN;
	*ret = (struct vdso_symbol){ .offset = sym.st_value - im->bias, .size = sym.st_size };
	memcpy(ret->name, name, strlen(name));
	return 1;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct vdso_symbol *)a)->name, ((const struct vdso_symbol *)b)->name);
}

int vdso_parse(const void *image, size_t len, struct vdso *ret)
{
	scoped(vdso_done) struct vdso v = { .len = len };
	struct image im = { .p = image, .len = len };
	uint32_t n;
	int r = read_headers(&im);

	if (r < 0)
		return r;
	n = count_symbols(&im);
	if (n == 0 || n > SYMBOLS_MAX)
		return -EUCLEAN;
	for (uint32_t i = 1; i < n; i++) { /* the first is always empty */
		struct vdso_symbol s;

		r = read_symbol(&im, i, &s);
		if (r > 0)
			r = vec_push(&v, s);
		if (r < 0)
			return r;
	}
	if (v.n == 0)
		return -EUCLEAN;
	qsort(v.at, v.n, sizeof(*v.at), by_name);
	*ret = v;
	v = (struct vdso){ 0 };
	return 0;
}

void vdso_done(struct vdso *v)
{
	vec_done(v);
}

const struct vdso_symbol *vdso_find(const struct vdso *v, const char *name)
{
	vec_for_each(s, v)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

bool vdso_fits(const struct vdso *old, const struct vdso *ours)
{
	vec_for_each(s, old) {
		const struct vdso_symbol *o = vdso_find(ours, s->name);

		if (!o || o->offset != s->offset)
			return false;
	}
	return true;
}

/* The system call behind a function: each takes the same arguments (getrandom's further ones are
 * only the function's). */
static long call_of(const char *name)
{
	static const struct {
		const char *name;
		long nr;
	} calls[] = {
		{ "clock_gettime", SYS_clock_gettime },
		{ "clock_getres", SYS_clock_getres },
		{ "gettimeofday", SYS_gettimeofday },
		{ "getcpu", SYS_getcpu },
		{ "getrandom", SYS_getrandom },
#ifdef SYS_time
		{ "time", SYS_time },
#endif
	};

	if (strncmp(name, "__vdso_", 7) == 0)
		name += 7;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (strcmp(name, calls[i].name) == 0)
			return calls[i].nr;
	return -1;
}

/* Bytes from the beginning of a function to that of the next, or to the end of the image. */
static uint64_t room_of(const struct vdso *v, const struct vdso_symbol *s)
{
	uint64_t end = v->len;

	vec_for_each(o, v)
		if (o->offset > s->offset)
			end = MIN(end, o->offset);
	return end - s->offset;
}

static bool is_patched(const struct vdso_patches *patches, uint64_t offset)
{
	vec_for_each(p, patches)
		if (p->offset == offset)
			return true;
	return false;
}

int vdso_redirect(const struct vdso *old, const struct vdso *ours, remote_t at,
		  struct vdso_patches *ret)
{
	struct vdso_patches patches = { 0 };
	int r = 0;

	vec_for_each(s, old) {
		const struct vdso_symbol *o = vdso_find(ours, s->name);
		struct vdso_patch patch = { .offset = s->offset };
		long nr = call_of(s->name);

		if (is_patched(&patches, s->offset)) /* an alias */
			continue;
		if (o)
			patch.len = arch_write_jump(at.va + o->offset, patch.bytes);
		else if (nr >= 0)
			patch.len = arch_write_call(nr, patch.bytes);
		assert(patch.len <= VDSO_JUMP);
		r = patch.len > 0 && patch.len <= room_of(old, s) ? vec_push(&patches, patch)
								  : -ENOTSUP;
		if (r < 0)
			break;
	}
	if (r < 0) {
		vec_done(&patches);
		return r;
	}
	*ret = patches;
	return 0;
}
