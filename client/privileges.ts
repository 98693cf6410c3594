const S_ISUID = 0o4000
const S_ISGID = 0o2000
const S_IXGRP = 0o010

/** The mode without what lets others run the file as its owner, which a change of owner or content takes away (chown(2), write(2)). */
export function withoutPrivileges(mode: number): number {
  const group = (mode & S_IXGRP) === 0 ? 0 : S_ISGID
  return mode & ~(S_ISUID | group)
}
