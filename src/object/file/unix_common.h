#pragma once
/*
 * Unix sockets: what the parts of the kind share.
 *
 *	unix_socket	the kind: images, the order of its verbs
 *	unix_collect	dump: state by sock_diag, names, peers, queues
 *	unix_place	restore: names, abstract and in the file system
 *	unix_make	restore: sockets, pairs, listeners, connections
 *	unix_fill	restore: queues, shutdowns, options
 */
#include "base/map.h"
#include "object/collect.h"
#include "object/env.h"
#include "object/file/sk_queue.h"

struct SkOptsEntry;

enum unix_flag {
	UNIX_EXTERN = 1,   /* stands for a peer outside of the tree */
	UNIX_SERVICE = 2,  /* was connected to the service that made the dump */
	UNIX_CALLBACK = 4, /* somebody else's plugin would connect it */
	UNIX_INHERIT = 8,
};

struct unix_sock {
	struct file file;
	uint32_t ino, type, state, uflags, backlog, peer_ino;
	uint8_t shutdown; /* bit 0 receiving, bit 1 sending */
	size_t name_len;
	uint8_t name[SK_NAME_MAX]; /* as in sun_path; a path without its NUL */
	char *name_dir;            /* owned; what a relative name is relative to */
	char *path;                /* owned; where the file is when that is not its name, or NULL */
	bool deleted;
	bool has_perms;
	uint32_t perm_mode, perm_uid, perm_gid;
	struct SkOptsEntry *opts; /* in an arena */
	uint32_t ns_id;
	bool peer_closed; /* of a datagram socket: its peer was closed */
	bool has_cred;
	struct sk_cred cred; /* SO_PEERCRED */
	int peek_off;        /* -1: off */
	struct sk_queue queue;

	/* Restore. */
	struct unix_sock *peer;   /* in the model, or NULL */
	struct unix_sock *leader; /* a stream's name came from this one by accept(2), or NULL */
	int place;                /* O_PATH descriptor of the file it is bound to, or -EBADF */
	int server;               /* a listener of ours that gives this one's name, or -EBADF */
	int helper;               /* our own socket: a closed peer, a sender; or -EBADF */
	bool is_ready;            /* filled, shut down, options set */
};

/* A name in the file system that was made, to be taken away when the restore fails. */
struct unix_placed {
	char *name; /* owned */
	dev_t dev;
	ino_t ino;
};

/* The kind's extra. */
struct unix_all {
	struct map by_ino;  /* (0, ino) -> struct unix_sock: in the model */
	struct map diag;    /* dump: (0, ino) -> struct unix_diag: in all network namespaces seen */
	struct map netns;   /* dump: (dev, ino) -> anything: those that were asked */
	struct map clients; /* dump: (0, ino) -> struct unix_diag of the listener it waits at */
	struct map waiting; /* restore: (0, file id) -> struct sk_queue, until sockets take them */
	struct sk_held held;
	bool is_made; /* dump: queues were read; restore: sockets were made */
	int root_fd;  /* restore, borrowed: for undoing */
	struct {
		VEC(struct unix_placed);
	} placed;
};

static inline struct unix_sock *unix_sock_of(struct file *f)
{
	return container_of(f, struct unix_sock, file);
}

static inline bool unix_is_dgram(const struct unix_sock *s)
{
	return s->type == 2; /* SOCK_DGRAM */
}

static inline bool unix_has_path(const struct unix_sock *s)
{
	return s->name_len && s->name[0];
}

/* NULL when out of memory. */
struct unix_all *unix_all_of(struct model *m);
/* A socket of the model by inode, or NULL. */
struct unix_sock *unix_find(struct model *m, uint32_t ino);
/* Makes it known by its inode. -ENOMEM, or -EEXIST. */
int unix_register(struct model *m, struct unix_sock *s) nodiscard;
/* Every unix socket of the model, in order: `var` is a struct unix_sock *. */
#define unix_for_each(var, all)                                                                    \
	for (struct map_entry *entry_##var = (all)->by_ino.entries;                                \
	     entry_##var && entry_##var < (all)->by_ino.entries + (all)->by_ino.n; entry_##var++)  \
		for (struct unix_sock *var = entry_##var->value; var; var = NULL)
/* For messages: "socket 1234 (@name)", valid until the next call from the same buffer. */
#define UNIX_TEXT_MAX 160
const char *unix_text(const struct unix_sock *s, char buf[UNIX_TEXT_MAX]);

/* ---- dump ---- */

int unix_collect(struct collect *c, struct file *f, const struct fd_view *v) nodiscard;
int unix_resolve(struct collect *c, struct file *f) nodiscard;

/* ---- restore ---- */

/*
 * Binds a socket to the name of s. A path is bound in a private directory, whose root we enter for
 * the while, and moved into its place with owner and mode; a deleted one is not. s->place is
 * opened. Reported.
 */
int unix_place(struct env *env, struct unix_sock *s, int fd) nodiscard;
/* Connects to the socket that is bound to the name of s. -errno, not reported. */
int unix_connect_to(const struct unix_sock *s, int fd) nodiscard;
/* Connects to a name outside of the tree. Reported. */
int unix_connect_outside(struct env *env, const struct unix_sock *s, int fd) nodiscard;
/* The directory that the file of s is in, as an absolute path, and its last component there. The
 * caller frees *ret_dir. -ENOMEM, -EUCLEAN. */
int unix_final_place(const struct unix_sock *s, char **ret_dir, const char **ret_base) nodiscard;

/* Makes every socket of the model. Reported. */
int unix_make_all(struct env *env) nodiscard;
/* Fills queues, as far as it can be done in this process, and then sets the rest. Reported. */
int unix_fill_all(struct env *env) nodiscard;
/* What unix_fill_all() could not do for this socket; fails when it cannot be done here. Reported.
 */
int unix_fill_rest(struct env *env, struct unix_sock *s) nodiscard;
