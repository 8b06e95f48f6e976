/*
 * creds: the credentials of a thread: user and group ids, supplementary groups, the five capability
 * sets, securebits and no_new_privs. All but the securebits stand in /proc/PID/task/TID/status.
 *
 * Ids in images are those of the task's own user namespace; in a task of ours that has entered it,
 * they can be used as they are.
 *
 * Order of the steps that set them again (each line needs what the lines below it take away):
 *
 *	inheritable set		limited by the bounding set
 *	bounding set		needs CAP_SETPCAP
 *	keep capabilities	(securebits) so that the change of uid takes none
 *	groups, gids, uids
 *	ambient set		limited by permitted and inheritable; a change of uid may clear it
 *	securebits		needs CAP_SETPCAP, and may forbid raising ambient capabilities
 *	capabilities
 *	no_new_privs
 *
 * What is as it should be already is not set: an unprivileged restore of an unprivileged task
 *works.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/vec.h"
#include "inject/batch.h"
#include "kernel/cap.h"
#include "kernel/proc/idmap.h"
#include "kernel/proc/value.h"
#include "kernel/sys.h"
#include "object/check.h"
#include "object/collect.h"
#include "object/env.h"
#include "schema/core.pb-c.h"

#define CAPS_MAX   64
#define CAP_WORDS  2
#define GROUPS_MAX 65536 /* NGROUPS_MAX of the kernel */
#define BIT(n)     (UINT64_C(1) << (n))

enum { ID_REAL, ID_EFFECTIVE, ID_SAVED, ID_FS, IDS };

struct creds {
	uint32_t uid[IDS], gid[IDS];
	uint32_t *groups; /* owned */
	size_t n_groups;
	struct proc_caps caps;
	uint32_t securebits;
	bool no_new_privs;
	char *lsm_profile; /* owned; NULL: not confined */
	int ask_securebits;
};

/* ---- dump ---- */

/* From ids as we see them to ids of the task's user namespace. */
static int ids_translate(struct collect *c, const struct proc_idmap *map, uint32_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t outside = ids[i];

		if (!proc_idmap_in(map, outside, &ids[i]))
			return report_refuse(c->report, -ENOTSUP, CODE_CREDS,
					     "it has the id %u, which its user namespace does not "
					     "know",
					     outside);
	}
	return 0;
}

static int creds_translate(struct collect *c, const struct thread *th, struct creds *s)
{
	const struct ns *user = th->task->ns[NS_USER];
	struct proc_idmap map;
	int r;

	if (!user || user->place == NS_OURS)
		return 0;
	r = proc_idmap_read(&live_of(th->task)->proc, PROC_UIDS, &map);
	if (r == 0)
		r = ids_translate(c, &map, s->uid, IDS);
	else
		r = report_fail(c->report, r, "cannot read how its user ids are mapped");
	if (r < 0)
		return r;
	r = proc_idmap_read(&live_of(th->task)->proc, PROC_GIDS, &map);
	if (r < 0)
		return report_fail(c->report, r, "cannot read how its group ids are mapped");
	r = ids_translate(c, &map, s->gid, IDS);
	return r < 0 ? r : ids_translate(c, &map, s->groups, s->n_groups);
}

/* The label of a security module; there is none where no module keeps one. */
static int creds_collect_label(struct collect *c, const struct thread *th, struct creds *s)
{
	char label[4096];
	ssize_t n =
		proc_value_text(&live_thread_of(th)->proc, "attr/current", label, sizeof(label));

	if (n < 0 && n != -EINVAL && n != -ENOENT && n != -EOPNOTSUPP)
		return report_fail(c->report, (int)n, "cannot read its security label");
	if (n <= 0 || strcmp(label, "unconfined") == 0)
		return 0;
	s->lsm_profile = mem_dup(label, (size_t)n + 1);
	return s->lsm_profile ? 0 : report_fail(c->report, -ENOMEM, "cannot note its credentials");
}

static int creds_collect(struct collect *c, struct thread *th, void *part)
{
	const struct proc_status *st = &live_thread_of(th)->status;
	struct creds *s = part;
	int r;

	memcpy(s->uid, st->uid, sizeof(s->uid));
	memcpy(s->gid, st->gid, sizeof(s->gid));
	s->caps = st->caps;
	s->no_new_privs = st->no_new_privs;
	if (st->n_groups) {
		s->groups = mem_dup(st->groups, st->n_groups * sizeof(*st->groups));
		if (!s->groups)
			return report_fail(c->report, -ENOMEM, "cannot note its credentials");
		s->n_groups = st->n_groups;
	}
	r = creds_translate(c, th, s);
	return r < 0 ? r : creds_collect_label(c, th, s);
}

static int creds_ask(struct collect *c, struct thread *th, void *part, struct program *p)
{
	struct creds *s = part;

	(void)c;
	(void)th;
	s->ask_securebits = program_must(p, SYS_prctl, ARGS(PR_GET_SECUREBITS));
	program_note(p, "asking for its securebits");
	return 0;
}

static int creds_answer(struct collect *c, struct thread *th, void *part, const struct program *p)
{
	struct creds *s = part;

	(void)c;
	(void)th;
	s->securebits = (uint32_t)program_result(p, s->ask_securebits);
	return 0;
}

static uint32_t *caps_encode(uint64_t caps, struct arena *arena, size_t *ret_n)
{
	const uint32_t words[CAP_WORDS] = { (uint32_t)caps, (uint32_t)(caps >> 32) };

	*ret_n = CAP_WORDS;
	return arena_dup(arena, words, sizeof(words));
}

static int creds_encode(const struct thread *th, const void *part, struct core_record *out)
{
	const struct creds *s = part;
	CredsEntry *e = ARENA_NEW(out->arena, CredsEntry);

	(void)th;
	if (!e)
		return -ENOMEM;
	creds_entry__init(e);
	e->uid = s->uid[ID_REAL];
	e->euid = s->uid[ID_EFFECTIVE];
	e->suid = s->uid[ID_SAVED];
	e->fsuid = s->uid[ID_FS];
	e->gid = s->gid[ID_REAL];
	e->egid = s->gid[ID_EFFECTIVE];
	e->sgid = s->gid[ID_SAVED];
	e->fsgid = s->gid[ID_FS];
	e->cap_inh = caps_encode(s->caps.inheritable, out->arena, &e->n_cap_inh);
	e->cap_prm = caps_encode(s->caps.permitted, out->arena, &e->n_cap_prm);
	e->cap_eff = caps_encode(s->caps.effective, out->arena, &e->n_cap_eff);
	e->cap_bnd = caps_encode(s->caps.bounding, out->arena, &e->n_cap_bnd);
	if (s->caps.ambient)
		e->cap_amb = caps_encode(s->caps.ambient, out->arena, &e->n_cap_amb);
	e->secbits = s->securebits;
	e->groups = s->groups;
	e->n_groups = s->n_groups;
	e->has_no_new_privs = s->no_new_privs;
	e->no_new_privs = s->no_new_privs;
	e->lsm_profile = s->lsm_profile;
	out->core->thread_core->creds = e;
	return out->arena->failed ? -ENOMEM : 0;
}

/* ---- restore: the image ---- */

static int caps_decode(const uint32_t *words, size_t n, uint64_t *ret)
{
	if (n > CAP_WORDS)
		return -EUCLEAN;
	*ret = 0;
	for (size_t i = 0; i < n; i++)
		*ret |= (uint64_t)words[i] << (32 * i);
	return 0;
}

static int creds_decode_caps(const CredsEntry *e, struct proc_caps *caps)
{
	int r = caps_decode(e->cap_inh, e->n_cap_inh, &caps->inheritable);

	if (r == 0)
		r = caps_decode(e->cap_prm, e->n_cap_prm, &caps->permitted);
	if (r == 0)
		r = caps_decode(e->cap_eff, e->n_cap_eff, &caps->effective);
	if (r == 0)
		r = caps_decode(e->cap_bnd, e->n_cap_bnd, &caps->bounding);
	if (r == 0)
		r = caps_decode(e->cap_amb, e->n_cap_amb, &caps->ambient);
	if (r == 0 && ((caps->effective & ~caps->permitted) ||
		       (caps->ambient & ~(caps->permitted & caps->inheritable))))
		r = -EUCLEAN;
	return r;
}

static int creds_decode(struct model *m, struct thread *th, void *part,
			const struct core_record *in)
{
	const CredsEntry *e = in->core->thread_core->creds;
	struct creds *s = part;

	(void)m;
	(void)th;
	if (!e || e->n_groups > GROUPS_MAX || s->groups)
		return -EUCLEAN;
	s->uid[ID_REAL] = e->uid;
	s->uid[ID_EFFECTIVE] = e->euid;
	s->uid[ID_SAVED] = e->suid;
	s->uid[ID_FS] = e->fsuid;
	s->gid[ID_REAL] = e->gid;
	s->gid[ID_EFFECTIVE] = e->egid;
	s->gid[ID_SAVED] = e->sgid;
	s->gid[ID_FS] = e->fsgid;
	s->securebits = e->secbits;
	s->no_new_privs = e->has_no_new_privs && e->no_new_privs;
	if (e->n_groups) {
		s->groups = mem_dup(e->groups, e->n_groups * sizeof(*e->groups));
		if (!s->groups)
			return -ENOMEM;
		s->n_groups = e->n_groups;
	}
	if (e->lsm_profile && e->lsm_profile[0]) {
		s->lsm_profile = mem_dup(e->lsm_profile, strlen(e->lsm_profile) + 1);
		if (!s->lsm_profile)
			return -ENOMEM;
	}
	return creds_decode_caps(e, &s->caps);
}

/* ---- restore: this process ---- */

/* What the calling process has, in the same terms. *ret owns its groups. */
static int creds_read_own(struct creds *ret)
{
	struct cap_sets caps;
	int n = sys_getgroups(0, NULL), r = cap_own_get(&caps);

	*ret = (struct creds){ 0 };
	if (r < 0 || n < 0)
		return r < 0 ? r : n;
	if (getresuid(&ret->uid[ID_REAL], &ret->uid[ID_EFFECTIVE], &ret->uid[ID_SAVED]) < 0 ||
	    getresgid(&ret->gid[ID_REAL], &ret->gid[ID_EFFECTIVE], &ret->gid[ID_SAVED]) < 0)
		return -errno;
	/* Impossible ids change nothing, and the old ones come back. */
	ret->uid[ID_FS] = (uint32_t)sys_setfsuid((uid_t)-1);
	ret->gid[ID_FS] = (uint32_t)sys_setfsgid((gid_t)-1);
	ret->caps.inheritable = caps.inheritable;
	ret->caps.permitted = caps.permitted;
	ret->caps.effective = caps.effective;
	for (unsigned cap = 0; cap < CAPS_MAX; cap++) {
		int in = sys_prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (in < 0) /* behind the last one of this kernel */
			break;
		if (in)
			ret->caps.bounding |= BIT(cap);
		if (sys_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) > 0)
			ret->caps.ambient |= BIT(cap);
	}
	ret->securebits = (uint32_t)sys_prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
	ret->no_new_privs = sys_prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
	if (n > 0) {
		ret->groups = NEW_ARRAY(uint32_t, (size_t)n);
		if (!ret->groups)
			return -ENOMEM;
		n = sys_getgroups(n, ret->groups);
		ret->n_groups = n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static void creds_done(void *part)
{
	struct creds *s = part;

	mem_free(ptr_take(&s->groups));
	mem_free(ptr_take(&s->lsm_profile));
}

/* Of the kind as a whole: what the process had that asked last. There may be many threads, and all
 * are compared with the same. */
struct own_creds {
	pid_t pid;
	struct creds creds;
};

static void own_creds_free(void *extra)
{
	struct own_creds *own = extra;

	creds_done(&own->creds);
	mem_free(own);
}

/* The calling process's credentials: borrowed, until a process that it forks asks. */
static int creds_own(struct model *m, const struct creds **ret)
{
	void **extra = task_kind_extra(m, TASK_KIND_creds);
	struct own_creds *own = extra ? *extra : NULL;
	int r;

	if (own && own->pid == sys_getpid()) {
		*ret = &own->creds;
		return 0;
	}
	if (own)
		own_creds_free(own);
	if (extra)
		*extra = own = NEW(struct own_creds);
	if (!extra || !own)
		return -ENOMEM;
	r = creds_read_own(&own->creds);
	if (r < 0)
		return r;
	own->pid = sys_getpid();
	*ret = &own->creds;
	return 0;
}

static bool groups_are_equal(const struct creds *a, const struct creds *b)
{
	return a->n_groups == b->n_groups &&
	       (a->n_groups == 0 ||
		memcmp(a->groups, b->groups, a->n_groups * sizeof(*a->groups)) == 0);
}

static bool uids_are_equal(const struct creds *a, const struct creds *b)
{
	return memcmp(a->uid, b->uid, sizeof(a->uid)) == 0;
}

static bool gids_are_equal(const struct creds *a, const struct creds *b)
{
	return memcmp(a->gid, b->gid, sizeof(a->gid)) == 0;
}

static bool caps_are_equal(const struct creds *a, const struct creds *b)
{
	return memcmp(&a->caps, &b->caps, sizeof(a->caps)) == 0;
}

/* The name of the lowest capability of a set. */
static const char *caps_first(uint64_t caps)
{
	return cap_name((unsigned)__builtin_ctzll(caps));
}

static int creds_check_label(struct check *k, const struct creds *s)
{
	scoped(proc_pid_done) struct proc_pid self = PROC_PID_NONE;
	char label[4096];

	if (!s->lsm_profile)
		return 0;
	if (proc_pid_open(0, &self) == 0 &&
	    proc_value_text(&self, "attr/current", label, sizeof(label)) >= 0 &&
	    strcmp(label, s->lsm_profile) == 0)
		return 0;
	return report_refuse(k->report, -ENOTSUP, CODE_LSM,
			     "it was confined as \"%s\", which stasis itself is not and cannot set",
			     s->lsm_profile);
}

static int creds_check_ids(struct check *k, const struct creds *s, const struct creds *ours)
{
	if (!uids_are_equal(s, ours) && !(ours->caps.effective & BIT(CAP_SETUID)))
		return report_refuse(k->report, -EPERM, CODE_CREDS,
				     "it ran as user %u, and this process lacks CAP_SETUID",
				     s->uid[ID_REAL]);
	if ((!gids_are_equal(s, ours) || !groups_are_equal(s, ours)) &&
	    !(ours->caps.effective & BIT(CAP_SETGID)))
		return report_refuse(k->report, -EPERM, CODE_CREDS,
				     "it ran in group %u, and this process lacks CAP_SETGID",
				     s->gid[ID_REAL]);
	return 0;
}

static int creds_check(struct check *k, struct thread *th, void *part)
{
	const struct ns *user = th->task->ns[NS_USER];
	const struct creds *s = part, *ours;
	uint64_t more;
	int r = creds_own(k->model, &ours);

	if (r < 0)
		return report_fail(k->report, r, "cannot read our own credentials");
	r = creds_check_label(k, s);
	if (r < 0)
		return r;
	if (user && user->place != NS_OURS) /* whoever creates a user namespace has it all there */
		return 0;
	r = creds_check_ids(k, s, ours);
	if (r < 0)
		return r;
	more = s->caps.permitted & ~ours->caps.permitted;
	if (more)
		return report_refuse(k->report, -EPERM, CODE_CREDS,
				     "it had %s, which this process lacks", caps_first(more));
	if ((s->securebits != ours->securebits || (ours->caps.bounding & ~s->caps.bounding)) &&
	    !(ours->caps.effective & BIT(CAP_SETPCAP)))
		return report_refuse(k->report, -EPERM, CODE_CREDS,
				     "its bounding set or securebits differ from ours, and this "
				     "process lacks CAP_SETPCAP");
	if (ours->no_new_privs && !s->no_new_privs)
		return report_refuse(k->report, -EPERM, CODE_CREDS,
				     "it may gain privileges, this process (no_new_privs) may not");
	more = s->caps.bounding & ~ours->caps.bounding;
	if (more)
		report_warn(k->report, CODE_CREDS,
			    "its bounding set had %s, which is not in ours; restored without",
			    caps_first(more));
	return 0;
}

/* ---- restore: the steps ---- */

static void late_capset(struct program *p, uint64_t effective, uint64_t permitted,
			uint64_t inheritable)
{
	const struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct data[CAP_WORDS] = {
		{ (uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable },
		{ (uint32_t)(effective >> 32), (uint32_t)(permitted >> 32),
		  (uint32_t)(inheritable >> 32) },
	};

	program_must(p, SYS_capset,
		     ARGS(arg_at(program_put(p, &header, sizeof(header))),
			  arg_at(program_put(p, data, sizeof(data)))));
	program_note(p,
		     "setting its capabilities (effective %#" PRIx64 ", permitted %#" PRIx64
		     ", inheritable %#" PRIx64 ")",
		     effective, permitted, inheritable);
}

static void late_bounding(struct program *p, const struct creds *s, const struct creds *ours)
{
	for (unsigned cap = 0; cap < CAPS_MAX; cap++) {
		if (!(ours->caps.bounding & ~s->caps.bounding & BIT(cap)))
			continue;
		program_must(p, SYS_prctl, ARGS(PR_CAPBSET_DROP, cap, 0, 0, 0));
		program_note(p, "dropping %s from its bounding set", cap_name(cap));
	}
}

static void late_groups(struct program *p, const struct creds *s)
{
	program_must(p, SYS_setgroups,
		     ARGS(s->n_groups,
			  arg_at(program_put(p, s->groups, s->n_groups * sizeof(*s->groups)))));
	program_note(p, "setting its %zu supplementary groups", s->n_groups);
}

static void late_gids(struct program *p, const struct creds *s)
{
	const uint32_t *id = s->gid;

	program_must(p, SYS_setresgid, ARGS(id[ID_REAL], id[ID_EFFECTIVE], id[ID_SAVED]));
	program_note(p, "setting its group ids");
	/* It tells the old id and never fails: ask again whether it did what it should. */
	program_call(p, SYS_setfsgid, ARGS(id[ID_FS]));
	program_exact(p, id[ID_FS], SYS_setfsgid, ARGS(-1));
	program_note(p, "setting its file system group id %u", id[ID_FS]);
}

static void late_uids(struct program *p, const struct creds *s)
{
	const uint32_t *id = s->uid;

	program_must(p, SYS_setresuid, ARGS(id[ID_REAL], id[ID_EFFECTIVE], id[ID_SAVED]));
	program_note(p, "setting its user ids");
	program_call(p, SYS_setfsuid, ARGS(id[ID_FS]));
	program_exact(p, id[ID_FS], SYS_setfsuid, ARGS(-1));
	program_note(p, "setting its file system user id %u", id[ID_FS]);
}

static void late_ambient(struct program *p, const struct creds *s, const struct creds *ours)
{
	if (ours->caps.ambient & ~s->caps.ambient)
		program_must(p, SYS_prctl, ARGS(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
	for (unsigned cap = 0; cap < CAPS_MAX; cap++) {
		if (!(s->caps.ambient & BIT(cap)))
			continue;
		program_must(p, SYS_prctl, ARGS(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0));
		program_note(p, "raising %s in its ambient set", cap_name(cap));
	}
}

/* With CAP_SETPCAP: securebits that switch off all that a change of uid does to capabilities. */
static void late_ids_and_caps(struct program *p, const struct creds *s, const struct creds *ours)
{
	bool may_set_bits = ours->caps.effective & BIT(CAP_SETPCAP);
	uint32_t bits = ours->securebits;

	if (s->caps.inheritable != ours->caps.inheritable)
		late_capset(p, ours->caps.effective, ours->caps.permitted, s->caps.inheritable);
	late_bounding(p, s, ours);
	if (!uids_are_equal(s, ours) && may_set_bits) {
		bits |= SECBIT_NO_SETUID_FIXUP;
		program_must(p, SYS_prctl, ARGS(PR_SET_SECUREBITS, bits));
		program_note(p, "keeping its capabilities while its ids change");
	} else if (!uids_are_equal(s, ours)) {
		bits |= SECBIT_KEEP_CAPS;
		program_call(p, SYS_prctl, ARGS(PR_SET_KEEPCAPS, 1));
	}
	if (!groups_are_equal(s, ours))
		late_groups(p, s);
	if (!gids_are_equal(s, ours))
		late_gids(p, s);
	if (!uids_are_equal(s, ours))
		late_uids(p, s);
	late_ambient(p, s, ours);
	if (bits != s->securebits) {
		if (may_set_bits)
			program_must(p, SYS_prctl, ARGS(PR_SET_SECUREBITS, s->securebits));
		else
			program_must(p, SYS_prctl, ARGS(PR_SET_KEEPCAPS, 0));
		program_note(p, "setting its securebits %#x", s->securebits);
	}
	late_capset(p, s->caps.effective, s->caps.permitted, s->caps.inheritable);
}

static int creds_last(struct env *env, struct thread *th, void *part, struct program *p)
{
	const struct creds *s = part, *have;
	struct creds ours;
	int r = creds_own(env->model, &have);

	(void)th;
	if (r < 0)
		return report_fail(env->report, r, "cannot read our own credentials");
	ours = *have;
	/* What we lack ourselves can be neither kept nor dropped. */
	ours.caps.bounding |= s->caps.bounding;
	if (!uids_are_equal(s, &ours) || !gids_are_equal(s, &ours) || !groups_are_equal(s, &ours) ||
	    !caps_are_equal(s, &ours) || s->securebits != ours.securebits)
		late_ids_and_caps(p, s, &ours);
	if (s->no_new_privs) {
		program_must(p, SYS_prctl, ARGS(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		program_note(p, "forbidding it to gain privileges");
	}
	return 0;
}

const struct task_kind task_kind_creds = {
	.name = "creds",
	.about = "credentials of a thread",
	.owner = PART_THREAD,
	.size = sizeof(struct creds),
	.collect = creds_collect,
	.ask = creds_ask,
	.answer = creds_answer,
	.encode = creds_encode,
	.decode = creds_decode,
	.check = creds_check,
	.last = creds_last,
	.done = creds_done,
	.extra_done = own_creds_free,
};
