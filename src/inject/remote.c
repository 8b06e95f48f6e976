/* See remote.h. */
#include "inject/remote.h"

#include "inject/tracee.h"

/* -EFAULT: the place cannot be written after all; the call is made without a frame then. */
static int frame_write(struct remote *r)
{
	struct context settled = *r->context; /* shares xstate */
	size_t len = arch_frame_size(r->context);
	scoped(mem_free) unsigned char *frame = NEW_ARRAY(unsigned char, len);
	scoped(mem_free) unsigned char *old = NEW_ARRAY(unsigned char, len);
	uint64_t va = r->foothold->frame;
	int rc;

	if (!frame || !old)
		return -ENOMEM;
	context_settle(&settled);
	arch_frame_write(&settled, va, r->foothold->gadget[ARCH_GADGET_SIGRETURN], frame);
	rc = mem_read(r->mem, REMOTE(va), old, len);
	if (rc == 0)
		rc = mem_write(r->mem, REMOTE(va), frame, len);
	if (rc < 0)
		return rc;
	r->old = ptr_take(&old);
	r->old_len = len;
	return 0;
}

int remote_begin(struct remote *r)
{
	int rc;

	r->old = NULL;
	r->old_len = 0;
	r->is_changed = r->is_running = false;
	if (!foothold_heals(r->foothold))
		return 0;
	rc = frame_write(r);
	return rc == -EFAULT ? 0 : rc;
}

/* The order matters: see remote.h. */
static int call_set_up(struct remote *r, long nr, const uint64_t args[6])
{
	const struct foothold *f = r->foothold;
	struct user_regs_struct regs = r->context->regs;
	int rc;

	if (r->old)
		arch_set_syscall(&regs, f->gadget[ARCH_GADGET_SYSCALL_RETURN],
				 arch_frame_sp(f->frame), nr, args);
	else
		arch_set_syscall(&regs, f->gadget[ARCH_GADGET_SYSCALL],
				 arch_sp(&regs) - arch_red_zone, nr, args);
	rc = ptrace_set_regs(r->tid, &regs);
	if (rc < 0 || r->is_changed)
		return rc;
	r->is_changed = true;
	return ptrace_set_sigmask(r->tid, UINT64_MAX);
}

int remote_syscall(struct remote *r, long nr, const uint64_t args[6], int64_t *ret)
{
	struct user_regs_struct regs;
	int rc = call_set_up(r, nr, args);

	/* To its entry, then to its exit. */
	for (int i = 0; i < 2 && rc == 0; i++) {
		struct ptrace_stop s;

		rc = tracee_resume(r->tid, TRACEE_TO_SYSCALL, 0);
		if (rc == 0)
			rc = tracee_wait(r->tid, TRACEE_TO_SYSCALL, r->timeout, &s);
		r->is_running = rc == -ETIMEDOUT;
		/* All signals are blocked: this is a fault, and the instruction not what it was. */
		if (rc == 0 && s.kind != PTRACE_STOP_SYSCALL)
			rc = -EFAULT;
	}
	if (rc == 0)
		rc = ptrace_get_regs(r->tid, &regs);
	if (rc < 0)
		return rc;
	*ret = arch_syscall_result(&regs);
	return 0;
}

int remote_end(struct remote *r)
{
	scoped(mem_free) unsigned char *old = ptr_take(&r->old);
	int rc = 0;

	if (r->is_changed) {
		rc = r->is_running ? tracee_halt(r->tid, r->timeout)
				   : tracee_park(r->tid, r->timeout);
		if (rc == 0)
			rc = context_restore(r->tid, r->context);
		if (rc < 0)
			return rc;
		r->is_changed = r->is_running = false;
	}
	return old ? mem_write(r->mem, REMOTE(r->foothold->frame), old, r->old_len) : 0;
}
