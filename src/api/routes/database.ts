import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { formatProblem } from '../../core/validation.ts';
import { VedetteError } from '../../errors.ts';
import { actorOf } from '../http/on-behalf.ts';
import type { ApiDependencies } from '../ports.ts';
import { answer, CHANGE_ERRORS, errorAnswers, strict } from '../schemas.ts';

const InitBody = Type.Object(
  {
    reset: Type.Optional(
      Type.Boolean({ description: 'Drop everything first. Only where the settings allow it. Default: false.' }),
    ),
    confirm: Type.Optional(
      Type.String({
        maxLength: 200,
        description: 'Only with "reset": true: the name of the database that is to be emptied.',
      }),
    ),
  },
  {
    ...strict,
    // A client that confirms believes that it resets.
    dependentSchemas: { confirm: { required: ['reset'], properties: { reset: { const: true } } } },
    'x-optional': true,
    examples: [{}, { reset: true, confirm: 'vedette' }],
  },
);

const InitAnswer = Type.Object(
  {
    database: Type.String(),
    schema: Type.String(),
    reset: Type.Boolean({ description: 'Whether everything was dropped first.' }),
    applied: Type.Array(Type.String(), { description: 'Migrations applied now; empty when there were none to apply.' }),
  },
  strict,
);

export function addDatabaseRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { readModel, databaseAdmin, options } = dependencies;
  app.post<{ Body: Static<typeof InitBody> | undefined }>(
    '/db/init',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'initDatabase',
        tags: ['database'],
        summary: 'Creates or migrates the tables',
        description: 'Destroys nothing, unless asked to reset, with the name of the database as confirmation.',
        body: InitBody,
        response: {
          200: answer('The tables are as this version wants them', InitAnswer, {
            example: { database: 'vedette', schema: 'public', reset: false, applied: ['0001-initial'] },
          }),
          ...errorAnswers(...CHANGE_ERRORS, 'VED_RESET_FORBIDDEN', 'VED_RESET_UNCONFIRMED'),
        },
      },
      preValidation: async (request) => {
        if (request.body === undefined) request.body = {};
      },
    },
    async (request) => {
      const { reset = false, confirm } = request.body ?? {};
      if (reset) checkReset(confirm, readModel.databaseName, options.allowReset);
      const actor = actorOf(request);
      const applied = reset ? await databaseAdmin.reset(actor) : await databaseAdmin.migrate(actor);
      const { databaseName, schema } = readModel;
      return { database: databaseName, schema, reset, applied };
    },
  );
}

function checkReset(confirm: string | undefined, databaseName: string, allowed: boolean): void {
  if (!allowed) {
    throw new VedetteError(
      'VED_RESET_FORBIDDEN',
      'A reset is not allowed here: server.allow_reset in the settings is off',
    );
  }
  if (confirm !== databaseName) {
    const problem = { path: 'confirm', given: confirm, accepted: 'the name of the database' };
    throw new VedetteError('VED_RESET_UNCONFIRMED', formatProblem(problem), { problems: [problem] });
  }
}
