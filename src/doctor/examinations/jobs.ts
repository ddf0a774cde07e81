import { VedetteError } from '../../errors.ts';
import { type Examination, ok, problem } from '../examination.ts';

export const jobs: Examination = {
  name: 'jobs',
  settings: ['jobs_file', 'monitors'],
  async examine({ settings, loadJobs }) {
    try {
      const list = await loadJobs();
      if (list === null)
        return [ok('jobs.file', `no job file at ${settings.jobsFile.join(', ')}: jobs come from the API`)];
      return [ok('jobs.file', `${list.length} ${list.length === 1 ? 'job' : 'jobs'} of the settings`)];
    } catch (error) {
      if (!(error instanceof VedetteError) || error.code !== 'VED_JOBS_FILE_INVALID') throw error;
      const advice = 'Put it right: until then the file changes nothing, and the jobs of the last good one go on.';
      return error.message.split('\n').map((line) => problem('jobs.file', line.trim(), advice));
    }
  },
};
