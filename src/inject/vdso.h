#pragma once
/*
 * The vDSO of a task, for restoring it on a kernel that has another one. A task keeps addresses of
 * the entry points it has found, so what counts is where these lie:
 *
 *	this kernel's has all of them at the same offsets     it is moved to where the old one was
 *	otherwise                                             the old one's pages stay; its entry
 *	                                                      points are overwritten with jumps into
 *	                                                      this kernel's, placed elsewhere
 *
 * An entry point that this kernel lacks becomes the plain system call.
 *
 * Parses bytes, which are not trusted, and makes bytes; reads and writes no task. A thread that is
 * inside the vDSO's code when it is dumped is not helped by this, nor is one whose handler will
 * return into it.
 */
#include "base/vec.h"

#define VDSO_NAME 32
#define VDSO_JUMP 16 /* bytes a patch has at most */

struct vdso_symbol {
	char name[VDSO_NAME];
	uint64_t offset; /* from the start of the image */
	uint64_t size;
};

struct vdso {
	VEC(struct vdso_symbol); /* functions, by name; aliases are symbols of their own */
	uint64_t len;            /* of the image */
};

/*
 * Reads the functions out of an ELF image as it lies in memory. The caller owns *ret (vdso_done).
 * -EUCLEAN: it is no vDSO of this CPU, or damaged; -ENOMEM.
 */
int vdso_parse(const void *image, size_t len, struct vdso *ret) nodiscard;
void vdso_done(struct vdso *v);
SCOPED_OBJECT(struct vdso, vdso_done);

/* The function with a name, or NULL. */
const struct vdso_symbol *vdso_find(const struct vdso *v, const char *name);

/* Whether `ours` can stand in for `old` at the same address: every function that old has is there
 * at the same offset. */
bool vdso_fits(const struct vdso *old, const struct vdso *ours);

/* Bytes to be written at an offset of the old image. */
struct vdso_patch {
	uint64_t offset;
	size_t len;
	unsigned char bytes[VDSO_JUMP];
};
struct vdso_patches {
	VEC(struct vdso_patch);
};

/*
 * Makes the patches that lead every function of `old` to `ours`, which will lie at `at`, or to the
 * system call. The caller owns *ret (vec_done). -ENOTSUP: a function has neither, or no room for a
 * jump before the next one begins; -ENOMEM.
 */
int vdso_redirect(const struct vdso *old, const struct vdso *ours, remote_t at,
		  struct vdso_patches *ret) nodiscard;
