# shellcheck shell=bash
# Machines that are chroots; to be sourced at the top of the tree. The caller has a function fail,
# and a folder that packages are kept in: archives.
: "${archives:?}"

# check_chroots: whether they can be made here.
check_chroots() {
	local tool
	[ "$(id -u)" -eq 0 ] || fail "chroots need root"
	for tool in debootstrap git unshare; do
		command -v "$tool" >/dev/null || fail "there is no $tool here; install it: apt-get install $tool"
	done
}

# make_root RELEASE ROOT MIRROR: the smallest Debian. A release that is newer than debootstrap is
# made as sid is.
make_root() {
	local script=/usr/share/debootstrap/scripts/$1
	[ -e "$script" ] || script=${script%/*}/sid
	rm -rf "$2"
	debootstrap --variant=minbase "$1" "$2" "$3" "$script"
}

# inside ROOT COMMAND...: runs a command in a chroot, as on a machine of its own: what it has
# started ends with it, all of it ends with this script, and what has lost its parent finds one that
# waits for it. It has the tree at hand, and the packages that another one has fetched, and obeys
# Ctrl-C also where this script runs in the background.
inside() {
	local root=$1
	shift
	mkdir -p "$archives/partial"
	# shellcheck disable=SC2016 # the inner shells expand these
	setpriv --pdeathsig KILL unshare --mount --ipc --pid --fork --kill-child bash -c '
		mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount -t tmpfs tmpfs "$0/dev/shm" &&
			mount --bind "$1" "$0/var/cache/apt/archives" || exit
		shift
		env -i --default-signal=INT,QUIT PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb \
			chroot "$0" bash -c "cd /root/pg_intake && \"\$@\"" - "$@"
		exit "$?"' "$root" "$archives" "$@"
}
