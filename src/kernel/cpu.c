/* The CPU. See cpu.h. */
#include "kernel/cpu.h"

#include <cpuid.h>
#include <string.h>

struct leaf {
	uint32_t a, b, c, d;
};

/* A leaf above the highest one answers with another's data on some CPUs: all 0 here. */
static struct leaf leaf(uint32_t number, uint32_t sub)
{
	struct leaf l = { 0 };

	if ((uint32_t)__get_cpuid_max(number & 0x80000000, NULL) >= number)
		__cpuid_count(number, sub, l.a, l.b, l.c, l.d);
	return l;
}

/* Transmeta's and Centaur's ranges have a maximum of their own. */
static struct leaf leaf_of_range(uint32_t range, uint32_t number)
{
	struct leaf l = { 0 };
	uint32_t max, b, c, d;

	__cpuid(range, max, b, c, d);
	if (max >= number && max < range + 0x10000)
		__cpuid(number, l.a, l.b, l.c, l.d);
	return l;
}

static void read_words(uint32_t *w)
{
	struct leaf l = leaf(1, 0);

	w[CPU_WORD_1_EDX] = l.d;
	w[CPU_WORD_1_ECX] = l.c;
	l = leaf(7, 0);
	w[CPU_WORD_7_0_EBX] = l.b;
	w[CPU_WORD_7_0_ECX] = l.c;
	w[CPU_WORD_7_0_EDX] = l.d;
	w[CPU_WORD_D_1_EAX] = leaf(0xd, 1).a;
	w[CPU_WORD_6_EAX] = leaf(6, 0).a;
	w[CPU_WORD_F_0_EDX] = leaf(0xf, 0).d;
	w[CPU_WORD_F_1_EDX] = leaf(0xf, 1).d;
	l = leaf(0x80000001, 0);
	w[CPU_WORD_80000001_EDX] = l.d;
	w[CPU_WORD_80000001_ECX] = l.c;
	w[CPU_WORD_80000007_EBX] = leaf(0x80000007, 0).b;
	w[CPU_WORD_80000008_EBX] = leaf(0x80000008, 0).b;
	w[CPU_WORD_8000000A_EDX] = leaf(0x8000000a, 0).d;
	w[CPU_WORD_80860001_EDX] = leaf_of_range(0x80860000, 0x80860001).d;
	w[CPU_WORD_C0000001_EDX] = leaf_of_range(0xc0000000, 0xc0000001).d;
}

static void read_names(struct cpu *c)
{
	static const struct {
		const char *id;
		enum cpu_vendor vendor;
	} vendors[] = {
		{ "GenuineIntel", CPU_VENDOR_INTEL },
		{ "AuthenticAMD", CPU_VENDOR_AMD },
		{ "HygonGenuine", CPU_VENDOR_HYGON },
	};
	struct leaf l = leaf(0, 0);
	size_t len;

	memcpy(c->vendor_id, &l.b, 4);
	memcpy(c->vendor_id + 4, &l.d, 4);
	memcpy(c->vendor_id + 8, &l.c, 4);
	c->vendor = CPU_VENDOR_OTHER;
	for (size_t i = 0; i < ARRAY_SIZE(vendors); i++)
		if (strcmp(c->vendor_id, vendors[i].id) == 0)
			c->vendor = vendors[i].vendor;

	for (uint32_t i = 0; i < 3; i++) {
		l = leaf(0x80000002 + i, 0);
		memcpy(c->model_id + 16 * i, &l, sizeof(l));
	}
	for (len = strlen(c->model_id); len > 0 && c->model_id[len - 1] == ' '; len--)
		c->model_id[len - 1] = '\0';
	len = strspn(c->model_id, " ");
	memmove(c->model_id, c->model_id + len, strlen(c->model_id + len) + 1);
}

static void read_signature(struct cpu *c)
{
	uint32_t a = leaf(1, 0).a;

	c->family = a >> 8 & 0xf;
	c->model = a >> 4 & 0xf;
	c->stepping = a & 0xf;
	if (c->family == 0xf)
		c->family += a >> 20 & 0xff;
	if (c->family >= 6)
		c->model += (a >> 16 & 0xf) << 4;
}

static uint64_t read_xcr0(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static void read_xsave(struct cpu *c)
{
	struct leaf l = leaf(0xd, 0);

	/* OSXSAVE: the kernel has switched it on. */
	c->has_xsave = cpu_has(c, CPU_WORD_1_ECX, 27);
	if (!c->has_xsave)
		return;
	c->xfeatures = read_xcr0();
	c->xfeatures_max = (uint64_t)l.d << 32 | l.a;
	c->xsave_size = l.b;
	c->xsave_size_max = l.c;
	c->has_xsavec = cpu_has(c, CPU_WORD_D_1_EAX, 1);
	c->has_xsaves = cpu_has(c, CPU_WORD_D_1_EAX, 3);
	if (c->has_xsavec)
		c->xsaves_size = leaf(0xd, 1).b;

	/* The legacy area of 512 bytes has fixed places. */
	c->xfeature[CPU_XFEATURE_FP] = (struct cpu_xfeature){ .size = 160, .offset = 0 };
	c->xfeature[CPU_XFEATURE_SSE] = (struct cpu_xfeature){ .size = 256, .offset = 160 };
	for (uint32_t i = 2; i < CPU_XFEATURES; i++) {
		l = leaf(0xd, i);
		c->xfeature[i] = (struct cpu_xfeature){
			.size = l.a,
			.offset = l.b,
			.supervisor = l.c & 1,
			.aligned = l.c & 2,
		};
	}
}

void cpu_read(struct cpu *ret)
{
	*ret = (struct cpu){ 0 };
	read_names(ret);
	read_signature(ret);
	read_words(ret->words);
	read_xsave(ret);
}

const char *cpu_xfeature_name(unsigned bit)
{
	static const char *const names[] = {
		[CPU_XFEATURE_FP] = "x87",
		[CPU_XFEATURE_SSE] = "sse",
		[CPU_XFEATURE_YMM] = "ymm",
		[CPU_XFEATURE_BNDREGS] = "bndregs",
		[CPU_XFEATURE_BNDCSR] = "bndcsr",
		[CPU_XFEATURE_OPMASK] = "opmask",
		[CPU_XFEATURE_ZMM_HI256] = "zmm_hi256",
		[CPU_XFEATURE_HI16_ZMM] = "hi16_zmm",
		[CPU_XFEATURE_PT] = "pt",
		[CPU_XFEATURE_PKRU] = "pkru",
		[CPU_XFEATURE_PASID] = "pasid",
		[CPU_XFEATURE_CET_USER] = "cet_user",
		[CPU_XFEATURE_CET_KERNEL] = "cet_kernel",
		[CPU_XFEATURE_XTILE_CFG] = "xtile_cfg",
		[CPU_XFEATURE_XTILE_DATA] = "xtile_data",
	};

	return bit < ARRAY_SIZE(names) && names[bit] ? names[bit] : "?";
}
