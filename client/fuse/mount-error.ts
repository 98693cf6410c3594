/** Why there is no mount, and what to do about it. `subject` is the directory, or what the message is about. */
const ADVICE = {
  'no-koffi': () =>
    'The package koffi is not installed. Run "npm install koffi" where Coffer is installed, or mount with --binding fuse-native.',
  'no-fusermount': () =>
    'The program fusermount3 is not installed. Install the package "fuse3" (Debian, Ubuntu, Fedora, Arch).',
  'no-device': () =>
    '/dev/fuse does not exist. Run "modprobe fuse" as root; in a container start it with "--device /dev/fuse --cap-add SYS_ADMIN".',
  'device-denied': () =>
    'You may not open /dev/fuse. Ask the administrator for "chmod 666 /dev/fuse", or to be in the group that owns it.',
  'no-mount-point': (directory: string) =>
    `${directory} does not exist. Make it first: mkdir -p ${directory}`,
  'not-a-directory': (directory: string) =>
    `${directory} is not a directory. Choose a directory to mount on.`,
  'not-empty': (directory: string) =>
    `${directory} is not empty, and the mount would hide what is in it. Choose an empty directory.`,
  'already-mounted': (directory: string) =>
    `Something is already mounted on ${directory}. Unmount it first: coffer unmount ${directory}`,
  stale: (directory: string) =>
    `${directory} still has a mount whose program has gone. Remove it: fusermount3 -u -z ${directory}`,
  'mount-point-denied': (directory: string) =>
    `You may not write to ${directory}. Choose a directory of your own.`,
  'allow-other-denied': () =>
    'Only root may let other users in. Put a line "user_allow_other" into /etc/fuse.conf, or mount without --allow-other.',
  'not-permitted': (directory: string) =>
    `The system does not permit a mount on ${directory}. In a container start it with "--device /dev/fuse --cap-add SYS_ADMIN".`,
  'too-many-mounts': () =>
    'There are too many FUSE mounts. Unmount some, or raise "mount_max" in /etc/fuse.conf.',
  'too-few-threads': (threads: string) =>
    `Start the program with the environment variable UV_THREADPOOL_SIZE=${threads}: the mount needs that many threads.`,
  busy: (directory: string) =>
    `${directory} is in use. Close the programs that use it (fuser -vm ${directory} shows them), or take it away from them: coffer unmount --force ${directory}`,
  'not-mounted': (directory: string) =>
    `Nothing is mounted on ${directory}, or another user's mount, which only that user and root can unmount.`,
  'no-fuse-native': () =>
    'The package fuse-native is not installed, or libfuse 2 is missing. Run "npm install fuse-native" and install the package "libfuse2".',
  failed: (reason: string) => `The mount failed: ${reason}`,
} as const satisfies Record<string, (subject: string) => string>

export type MountErrorCode = keyof typeof ADVICE

export class MountError extends Error {
  override readonly name = 'MountError'
  readonly code: MountErrorCode

  constructor(code: MountErrorCode, subject: string, options?: ErrorOptions) {
    super(ADVICE[code](subject), options)
    this.code = code
  }
}
