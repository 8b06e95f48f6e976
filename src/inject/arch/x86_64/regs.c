/*
 * x86-64: registers and code patterns. The general registers are those of NT_PRSTATUS, in which
 * orig_rax tells the kernel which system call it may restart (-1: none).
 */
#include <elf.h>
#include <string.h>
#include <sys/syscall.h>

#include "inject/arch.h"
#include "kernel/ptrace.h"

#define CS_USER64 0x33
#define FLAG_TRAP 0x100
#define FLAG_DIR  0x400
#define FLAG_AC   0x40000

/* Results with which the kernel tells its own way back to user mode what to do. */
#define ERESTARTSYS           512
#define ERESTARTNOINTR        513
#define ERESTARTNOHAND        514
#define ERESTART_RESTARTBLOCK 516

#define SYSCALL_LEN 2 /* 0f 05; also int 80, which 64-bit code may use as well */

/* Linux 6.6; not in older headers. The kernel has it only for threads with a shadow stack. */
#define NOTE_SHADOW_STACK 0x204

const uint64_t arch_red_zone = 128;
const unsigned arch_elf_machine = EM_X86_64;
const unsigned arch_xstate_note = NT_X86_XSTATE;
const size_t arch_xstate_max = 16384; /* AMX needs 11008; room for what comes */

_Noreturn void arch_jump(uint64_t to, uint64_t arg0, uint64_t arg1)
{
	__asm__ volatile("jmp *%0" : : "a"(to), "D"(arg0), "S"(arg1) : "memory");
	__builtin_unreachable();
}

int arch_regs_check(const struct user_regs_struct *regs)
{
	return regs->cs == CS_USER64 ? 0 : -ENOTSUP;
}

int arch_thread_check(pid_t tid)
{
	uint64_t pointer;
	ssize_t n = ptrace_get_regset(tid, NOTE_SHADOW_STACK, &pointer, sizeof(pointer));

	if (n == -ESRCH)
		return -ESRCH;
	return n < 0 ? 0 : -ENOTSUP;
}

uint64_t arch_ip(const struct user_regs_struct *regs)
{
	return regs->rip;
}

uint64_t arch_sp(const struct user_regs_struct *regs)
{
	return regs->rsp;
}

void arch_set_ip(struct user_regs_struct *regs, uint64_t ip)
{
	regs->rip = ip;
}

void arch_set_entry(struct user_regs_struct *regs, uint64_t ip, uint64_t sp, uint64_t arg0,
		    uint64_t arg1)
{
	regs->rip = ip;
	regs->rsp = sp;
	regs->rdi = arg0;
	regs->rsi = arg1;
	regs->orig_rax = UINT64_MAX;
	regs->eflags &= ~(uint64_t)(FLAG_TRAP | FLAG_DIR | FLAG_AC);
}

void arch_set_syscall(struct user_regs_struct *regs, uint64_t ip, uint64_t sp, long nr,
		      const uint64_t args[6])
{
	arch_set_entry(regs, ip, sp, args[0], args[1]);
	regs->rax = (uint64_t)nr;
	regs->rdx = args[2];
	regs->r10 = args[3];
	regs->r8 = args[4];
	regs->r9 = args[5];
}

int64_t arch_syscall_result(const struct user_regs_struct *regs)
{
	return (int64_t)regs->rax;
}

void arch_skip_syscall(struct user_regs_struct *regs)
{
	regs->orig_rax = UINT64_MAX;
}

/*
 * A sleep that was given one place for the time asked for and for the time left, as libc's sleep()
 * does: made again it sleeps for what is left.
 */
static bool sleep_goes_on(const struct user_regs_struct *regs)
{
	switch (regs->orig_rax) {
	case SYS_nanosleep:
		return regs->rdi == regs->rsi;
	case SYS_clock_nanosleep:
		return regs->rdx == regs->r10;
	default:
		return false;
	}
}

void arch_settle_restart(struct user_regs_struct *regs, enum context_wakeup wakeup)
{
	bool again;

	/* The kernel, too, looks at 32 bits of it. */
	if ((int32_t)regs->orig_rax < 0)
		return;
	switch (-(int64_t)regs->rax) {
	case ERESTARTNOINTR:
		again = true;
		break;
	case ERESTARTSYS:
		again = wakeup != WAKEUP_HANDLER;
		break;
	case ERESTARTNOHAND:
		again = wakeup == WAKEUP_NONE;
		break;
	case ERESTART_RESTARTBLOCK:
		again = wakeup != WAKEUP_HANDLER && sleep_goes_on(regs);
		break;
	default:
		regs->orig_rax = UINT64_MAX;
		return;
	}
	if (again)
		regs->rip -= SYSCALL_LEN;
	regs->rax = again ? regs->orig_rax : (uint64_t)-EINTR;
	regs->orig_rax = UINT64_MAX;
}

struct pattern {
	enum arch_gadget gadget;
	size_t len;
	unsigned char bytes[ARCH_GADGET_LEN];
};

static const struct pattern patterns[] = {
	/* syscall */
	{ ARCH_GADGET_SYSCALL, 2, { 0x0f, 0x05 } },
	/* syscall; ret */
	{ ARCH_GADGET_SYSCALL_RETURN, 3, { 0x0f, 0x05, 0xc3 } },
	/* mov $15, %rax; syscall: sa_restorer as every libc writes it */
	{ ARCH_GADGET_SIGRETURN, 9, { 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05 } },
	/* mov $15, %eax; syscall */
	{ ARCH_GADGET_SIGRETURN, 7, { 0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05 } },
};

ssize_t arch_find_gadget(enum arch_gadget gadget, const void *code, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		const struct pattern *p = &patterns[i];
		const char *at;

		if (p->gadget != gadget)
			continue;
		at = memmem(code, len, p->bytes, p->len);
		if (at)
			return at - (const char *)code;
	}
	return -ENOENT;
}

size_t arch_write_jump(uint64_t to, unsigned char *code)
{
	static const unsigned char jump[] = {
		0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, /* mov $to, %rax */
		0xff, 0xe0,                         /* jmp *%rax */
	};

	memcpy(code, jump, sizeof(jump));
	memcpy(code + 2, &to, sizeof(to));
	return sizeof(jump);
}

size_t arch_write_call(long nr, unsigned char *code)
{
	static const unsigned char call[] = {
		0xb8, 0,    0, 0, 0, /* mov $nr, %eax */
		0x0f, 0x05,          /* syscall */
		0xc3,                /* ret */
	};
	uint32_t number = (uint32_t)nr;

	memcpy(code, call, sizeof(call));
	memcpy(code + 1, &number, sizeof(number));
	return sizeof(call);
}
