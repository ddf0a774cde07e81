import { formatSettingProblem } from '../../settings/problems.ts';
import { type Examination, ok, problem } from '../examination.ts';

export const settings: Examination = {
  name: 'settings',
  async examine({ settingsProblems }) {
    if (settingsProblems.length === 0) return [ok('settings', 'all of them right')];
    return settingsProblems.map((wrong) =>
      problem(
        'settings',
        formatSettingProblem(wrong),
        '`vedette config show` lists all settings; docs/settings.md describes each.',
      ),
    );
  },
};
