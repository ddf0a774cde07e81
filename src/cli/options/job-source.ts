import type { Command, Option } from 'commander';
import { settingOption } from '../context.ts';

/** Options that say which jobs there are, for commands that take them from files or from the command line itself. */
export function addJobSourceOptions(command: Command): Command {
  const files = 'file of jobs, or a folder of them; repeatable';
  return command
    .addOption(repeatable(settingOption('--jobs <path>', 'jobs_file', `${files} (jobs_file)`)))
    .addOption(repeatable(settingOption('--targets-file <path>', 'jobs_file', 'the same')).conflicts('jobs'))
    .addOption(
      repeatable(settingOption('--url <url>', 'site.url', 'a site to check, instead of files; repeatable')).conflicts([
        'jobs',
        'targetsFile',
      ]),
    )
    .addOption(settingOption('--seconds <seconds>', 'site.seconds'))
    .addOption(settingOption('--pattern <regex>', 'site.pattern'));
}

const repeatable = (option: Option): Option =>
  option.argParser((value: string, previous: string[] = []) => [...previous, value]);
