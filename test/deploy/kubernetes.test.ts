import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Test, test } from 'tap';
import { parseAllDocuments } from 'yaml';
import { readStarted } from './agreement.ts';
import { imageEnv } from './dockerfile.ts';
import { root } from './production-tree.ts';
import { routesOf } from './routes.ts';

interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
  data?: Record<string, string>;
  stringData?: Record<string, string>;
  spec: {
    replicas?: number;
    selector: { matchLabels: Record<string, string> };
    template: { metadata: { labels: Record<string, string> }; spec: PodSpec };
    [field: string]: unknown;
  };
}

interface PodSpec {
  containers: [Container];
  securityContext: object;
  volumes: Array<{ name: string; configMap?: { name: string }; secret?: { secretName: string } }>;
  terminationGracePeriodSeconds: number;
}

interface Container {
  image: string;
  args: string[];
  env: Array<{ name: string }>;
  envFrom: Array<{ configMapRef?: { name: string }; secretRef?: { name: string } }>;
  ports: Array<{ name: string; containerPort: number }>;
  volumeMounts: Array<{ name: string; mountPath: string }>;
  securityContext: object;
  [probe: `${string}Probe`]: { httpGet: { path: string; port: string } } | undefined;
}

const folder = join(root, 'deploy/kubernetes');
const overlays = ['local', 'production'] as const;
const read = (text: string): Manifest[] => parseAllDocuments(text).map((document) => document.toJS());
const kubectl = spawnSync('kubectl', ['version', '--client'], { stdio: 'ignore' }).status === 0;
const skip = kubectl ? false : 'NOT DONE: kubectl is not installed here';
const rendered = new Map<string, Manifest[]>();
const example = read(readFileSync(join(folder, 'overlays/production/secret.example.yaml'), 'utf8'));

function render(overlay: string): Manifest[] {
  const path = join(folder, 'overlays', overlay);
  if (!rendered.has(overlay))
    rendered.set(overlay, read(execFileSync('kubectl', ['kustomize', path], { encoding: 'utf8' })));
  return rendered.get(overlay)!;
}

/** TypeScript knows the types of Kubernetes: a field that there is not, or of another type, does not compile. */
test('every manifest is of the type that Kubernetes has for its kind', { skip }, async (t) => {
  const place = join(root, 'node_modules/.cache/manifests');
  mkdirSync(place, { recursive: true });
  t.teardown(() => rmSync(place, { recursive: true }));
  const lines = ["import type { KedaScaledObject } from '../../../test/deploy/keda.ts';"];
  for (const overlay of overlays) {
    for (const [index, manifest] of [...render(overlay), ...example].entries()) {
      const { apiVersion, kind, metadata } = manifest;
      t.match(metadata.namespace ?? metadata.name, 'vedette', `${kind} ${metadata.name} is in the namespace`);
      const module = `kubernetes-types/${apiVersion === 'v1' ? 'core/v1' : apiVersion.replace('.k8s.io', '')}`;
      const type = apiVersion.startsWith('keda') ? 'KedaScaledObject' : `import('${module}').${kind}`;
      lines.push(`export const ${overlay}${index}: ${type} = ${JSON.stringify(manifest)};`);
    }
  }
  writeFileSync(join(place, 'manifests.ts'), lines.join('\n'));
  const options = [
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--module',
    'esnext',
    '--moduleResolution',
    'bundler',
    '--target',
    'es2023',
  ];
  const tsc = [join(root, 'node_modules/.bin/tsc'), ...options, '--allowImportingTsExtensions', 'manifests.ts'];
  const run = spawnSync(process.execPath, tsc, { cwd: place, encoding: 'utf8' });
  t.equal(run.status, 0, run.stdout);
});

for (const overlay of overlays) {
  test(`${overlay}: what it gives Vedette is what Vedette accepts`, { skip }, async (t) => {
    const manifests = render(overlay);
    const workloads = manifests.filter(({ kind }) => kind === 'Deployment' || kind === 'Job');
    t.same(
      workloads.map(({ metadata }) => metadata.name).sort(),
      ['api', 'migrate', 'processor', 'scheduler'].map((role) => `vedette-${role}`),
    );
    for (const workload of workloads) checkWorkload(t, workload, manifests);
  });

  test(`${overlay}: budgets, policies, the service and autoscalers mean pods that there are`, { skip }, async (t) => {
    const manifests = render(overlay);
    const pods = manifests.flatMap(({ spec }) => (spec?.template ? [spec.template.metadata.labels] : []));
    const isMeant = (labels: Record<string, string>) =>
      pods.some((pod) => Object.entries(labels).every(([name, value]) => pod[name] === value));
    for (const { kind, metadata, spec } of manifests) {
      const name = `${kind} ${metadata.name}`;
      if (kind === 'PodDisruptionBudget' || kind === 'Deployment') t.ok(isMeant(spec.selector.matchLabels), name);
      if (kind === 'NetworkPolicy') t.ok(isMeant((spec.podSelector as typeof spec.selector).matchLabels), name);
      if (kind === 'Service') t.ok(isMeant(spec.selector as unknown as Record<string, string>), name);
      const target = spec?.scaleTargetRef as { name: string } | undefined;
      if (!target) continue;
      const scaled = manifests.find((other) => other.kind === 'Deployment' && other.metadata.name === target.name);
      t.ok(scaled, `${name} scales what there is`);
      t.equal(scaled?.spec.replicas, undefined, `${target.name} leaves its number to ${kind}`);
    }
  });
}

test('processors scale by a metric that /metrics has, up to the number of partitions', { skip }, async (t) => {
  const scaled = render('production').find(({ kind }) => kind === 'ScaledObject')!.spec as unknown as {
    maxReplicaCount: number;
    triggers: [{ metadata: { query: string } }];
  };
  const [name] = /vedette_\w+/.exec(scaled.triggers[0].metadata.query)!;
  t.match(readFileSync(join(root, 'src/api/exposition.ts'), 'utf8'), `'${name}'`);
  const settings = render('production').find(({ metadata }) => metadata.name === 'vedette-settings')!;
  t.equal(String(scaled.maxReplicaCount), settings.data?.VEDETTE_STREAM_PARTITIONS);
});

function checkWorkload(t: Test, { kind, metadata, spec }: Manifest, manifests: Manifest[]): void {
  const { containers, securityContext, volumes, terminationGracePeriodSeconds } = spec.template.spec;
  const [container] = containers;
  const role = metadata.name.replace('vedette-', '');
  const named = (name: string) => [...manifests, ...example].find((other) => other.metadata.name.startsWith(name));
  const plain: Record<string, string> = {};
  const secrets: string[] = [];
  for (const { configMapRef, secretRef } of container.envFrom) {
    if (configMapRef) Object.assign(plain, named(configMapRef.name)?.data);
    // kustomize gives what it generates a name of its own; the names of the variables are the same.
    if (secretRef) secrets.push(...Object.keys(example[0].stringData!));
  }
  const own = (container.env ?? []).map(({ name }) => name);
  const { name, settings, files } = readStarted({
    command: ['vedette', ...container.args],
    env: { ...imageEnv(), ...plain },
    secrets: [...secrets, ...own],
  });
  t.equal(name, kind === 'Job' ? 'db migrate' : 'serve', metadata.name);
  t.ok(settings.databaseServer && settings.kafkaConnection, `${metadata.name} knows PostgreSQL and Kafka`);
  for (const file of [...files, settings.jobsFile].flat()) {
    const mount = container.volumeMounts.find(({ mountPath }) => dirname(file) === mountPath);
    const volume = volumes.find((each) => each.name === mount?.name);
    const source = named(volume?.secret?.secretName ?? volume?.configMap?.name ?? 'nothing');
    t.ok(basename(file) in (source?.stringData ?? source?.data ?? {}), `${file} is in what is mounted there`);
  }
  t.match(securityContext, { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } });
  t.match(container.securityContext, { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false });
  t.ok(terminationGracePeriodSeconds > 10, 'time to end in order');
  if (kind === 'Job') return;
  t.same(settings.roles, [role]);
  t.same(container.ports, [{ name: 'http', containerPort: settings.server.port }]);
  for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe'] as const) {
    const { path, port } = container[probe]!.httpGet;
    t.ok(routesOf(settings).includes(path), `${metadata.name}: ${path} is answered`);
    t.equal(port, 'http');
  }
}
