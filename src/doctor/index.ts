export { type ContextOptions, createExaminationContext } from './context.ts';
export { diagnose } from './diagnose.ts';
export type { Finding, Severity } from './examination.ts';
export { examinations } from './examinations/index.ts';
