export const T = 1_750_000_000_000;
/** A line of Vedette's own, as an object. */
export const own = {
  v: 1,
  job_id: 7,
  location: 'default',
  epoch: 3,
  slot: T,
  ts: T + 4,
  outcome: 'up',
  status: '200',
  response_time: 0.012345,
};
