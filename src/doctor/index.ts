export { createExaminationContext, type ExaminationContext, type Machine, thisMachine } from './context.ts';
export { diagnose } from './diagnose.ts';
export type { Examination, Finding, Severity } from './examination.ts';
export { examinations } from './examinations/index.ts';
