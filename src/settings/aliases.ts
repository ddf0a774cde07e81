/**
 * With a client certificate and without a password it only names the owner of the certificate, as in similar programs;
 * otherwise it is the SASL user.
 */
export const CERTIFICATE_USER = 'KAFKA_USER';

/**
 * Names in the environment that similar programs use, by setting; docs/settings.md lists them too. Two names of one
 * setting with different values are an error that names both.
 */
export const ALIASES: Readonly<Record<string, readonly string[]>> = {
  'database.url': ['POSTGRES_DSN', 'postgresql_uri'],
  'database.host': ['DATABASE_HOST'],
  'database.port': ['DATABASE_PORT'],
  'database.name': ['DATABASE_DB'],
  'database.user': ['DATABASE_USER'],
  'database.password': ['DATABASE_PASSWD'],
  'kafka.bootstrap_servers': ['KAFKA_HOST'],
  'kafka.tls.ca': ['KAFKA_CAFILE'],
  'kafka.tls.certificate': ['KAFKA_CERTFILE'],
  'kafka.tls.key': ['KAFKA_KEYFILE'],
  'kafka.sasl.user': [CERTIFICATE_USER],
  'kafka.sasl.password': ['KAFKA_PASSWORD'],
  'topics.results': ['KAFKA_TOPIC'],
  'topics.success': ['KAFKA_TOPIC_SUCCESS'],
  'topics.failures': ['KAFKA_TOPIC_FAILURE'],
};
