import { resolve } from 'node:path'
import {
  type Config,
  ConfigError,
  configFile,
  environmentName,
  flagOf,
  nonEmpty,
  type Sources,
} from './config.js'
import { SETTING_NAMES, SETTINGS, type SettingName } from './settings.js'

/** Where paths begin, and what they are below, is what it was for whoever gave them. */
const PATHS: { readonly [name in SettingName]?: (config: Config) => string | undefined } = {
  data: ({ data }) => data,
  tlsCert: ({ tls }) => tls?.certificate,
  tlsKey: ({ tls }) => tls?.key,
}

/**
 * The flags with which coffer-server does anywhere what it does here, but for the file with the secret: those of the command line and of the
 * environment.
 * @throws ConfigError where that takes a secret @param config what the sources say
 */
export function givenFlags(
  config: Config,
  sources: Sources,
): (readonly [flag: string, value: string])[] {
  if (nonEmpty(sources.environment.COFFER_SECRET) !== undefined) {
    throw new ConfigError([
      'COFFER_SECRET must not be shown on a command line: put it into a file with mode 0600, and name that by COFFER_SECRET_FILE',
    ])
  }
  const file = configFile(sources)
  const shown = SETTING_NAMES.filter((name) => 'flag' in SETTINGS[name] && name !== 'secretFile')
  const flags = shown.flatMap((name) => {
    const path = PATHS[name]
    const given = sources.flags[name] ?? nonEmpty(sources.environment[environmentName(name)])
    const value = path === undefined ? given : path(config)
    return value === undefined ? [] : [[flagOf(name), String(value)] as const]
  })
  return [...(file === undefined ? [] : [['--config', resolve(file)] as const]), ...flags]
}
