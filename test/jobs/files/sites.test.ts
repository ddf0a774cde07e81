import { test } from 'tap';
import { readSites } from '../../../src/jobs/files/sites.ts';
import { examineSettings } from '../../../src/settings.ts';
import { testJobRules } from '../../api/test-job-rules.ts';

const ADDRESSES = [
  'http://a.test/?list=1,2',
  'HTTPS://b.test/',
  'tcp://c.test:25',
  'dns+tls://d.test/example.com?type=MX',
  'ping://e.test',
];

test('sites of the settings are of any type, told by their scheme', (t) => {
  const env = { VEDETTE_SITE_URL: ADDRESSES.join(', '), VEDETTE_SITE_SECONDS: '5m' };
  const { settings, problems } = examineSettings({ env, cwd: t.testdir({}) });
  t.strictSame(problems, []);
  t.strictSame(settings.site.url, ADDRESSES, 'commas within an address do not end it');
  const definitions = readSites(settings.site, { rules: testJobRules });
  const jobs = definitions.map((definition) => testJobRules.toJob(definition, definition.job_id as number));
  t.strictSame(
    jobs.map(({ type }) => type),
    ['http', 'http', 'tcp', 'dns', 'ping'],
  );
  t.ok(jobs.every(({ periodMs }) => periodMs === 300_000));
  t.equal(new Set(jobs.map(({ jobId }) => jobId)).size, jobs.length);
  t.end();
});

test('what is no address, and a scheme that nothing has', (t) => {
  const { problems } = examineSettings({ env: { VEDETTE_SITE_URL: 'www.example.com' }, cwd: t.testdir({}) });
  t.match(problems, [{ path: 'site.url', accepted: /addresses with a scheme, such as https:\/\/ or tcp:\/\// }]);
  const read = (url: string, pattern: string | null = null) =>
    readSites({ url: [url], seconds: '60', pattern }, { rules: testJobRules });
  t.throws(() => read('gopher://a.test/'), { code: 'VED_JOBS_FILE_INVALID', message: /url: given "gopher:/ });
  t.throws(() => read('tcp://a.test:1', 'Yes'), { code: 'VED_JOBS_FILE_INVALID', message: /pattern: given / });
  t.end();
});
