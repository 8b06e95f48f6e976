#pragma once
/*
 * The CPU as cpuid shows it: who made it, what it can, and how its extended state (xsave) is laid
 * out. x86-64 only; another architecture brings its own file with the same header.
 */
#include "base/base.h"

enum cpu_vendor { CPU_VENDOR_INTEL, CPU_VENDOR_AMD, CPU_VENDOR_HYGON, CPU_VENDOR_OTHER };

/*
 * Feature words. Order and meaning are those of the cpuinfo image: the kernel's table as it was
 * when the format was made. Words LINUX_* are the kernel's inventions, which cpuid does not tell:
 * 0 here. Word 16 and 11, 12 hold leaf 0xF (resource monitoring) except as named.
 */
enum cpu_word {
	CPU_WORD_1_EDX,
	CPU_WORD_80000001_EDX,
	CPU_WORD_80860001_EDX,
	CPU_WORD_LINUX_1,
	CPU_WORD_1_ECX,
	CPU_WORD_C0000001_EDX,
	CPU_WORD_80000001_ECX,
	CPU_WORD_LINUX_2,
	CPU_WORD_LINUX_3,
	CPU_WORD_7_0_EBX,
	CPU_WORD_D_1_EAX,
	CPU_WORD_7_0_ECX,
	CPU_WORD_F_1_EDX,
	CPU_WORD_80000008_EBX,
	CPU_WORD_6_EAX,
	CPU_WORD_8000000A_EDX,
	CPU_WORD_F_0_EDX,
	CPU_WORD_80000007_EBX,
	CPU_WORD_7_0_EDX,
	CPU_WORDS,
};

#define CPU_XFEATURES 63

/* Components of the extended state, by bit number in xfeatures. */
enum cpu_xfeature_bit {
	CPU_XFEATURE_FP,
	CPU_XFEATURE_SSE,
	CPU_XFEATURE_YMM,
	CPU_XFEATURE_BNDREGS,
	CPU_XFEATURE_BNDCSR,
	CPU_XFEATURE_OPMASK,
	CPU_XFEATURE_ZMM_HI256,
	CPU_XFEATURE_HI16_ZMM,
	CPU_XFEATURE_PT,
	CPU_XFEATURE_PKRU,
	CPU_XFEATURE_PASID,
	CPU_XFEATURE_CET_USER,
	CPU_XFEATURE_CET_KERNEL,
	CPU_XFEATURE_XTILE_CFG = 17,
	CPU_XFEATURE_XTILE_DATA,
};

struct cpu_xfeature {
	uint32_t size;   /* bytes; 0: this CPU has no such component */
	uint32_t offset; /* in the standard (not compacted) form */
	bool supervisor;
	bool aligned; /* to 64 bytes in the compacted form */
};

struct cpu {
	enum cpu_vendor vendor;
	char vendor_id[13];
	char model_id[49]; /* the marketing name, blanks trimmed */
	uint32_t family, model, stepping;
	uint32_t words[CPU_WORDS];

	bool has_xsave, has_xsavec, has_xsaves; /* instructions that the system has switched on */
	uint64_t xfeatures;      /* user components that the kernel switched on (XCR0) */
	uint64_t xfeatures_max;  /* that the CPU has */
	uint32_t xsave_size;     /* bytes of the standard form with what is switched on */
	uint32_t xsave_size_max; /* with everything the CPU has */
	uint32_t xsaves_size;    /* of the compacted form now; 0 without xsavec */
	struct cpu_xfeature xfeature[CPU_XFEATURES];
};

/* Asks the CPU that we run on. Cannot fail; what it lacks is 0. */
void cpu_read(struct cpu *ret);

/* Whether bit `bit` of a word is set. */
static inline bool cpu_has(const struct cpu *c, enum cpu_word word, unsigned bit)
{
	return c->words[word] >> bit & 1;
}

/* "ymm", "pkru"...; "?" for bits without a name here. */
const char *cpu_xfeature_name(unsigned bit);
