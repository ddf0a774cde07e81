/**
 * Goes on with a value: at once when it is there, which costs nothing, else when its promise is fulfilled. For paths that
 * every check takes and that seldom have to wait.
 */
export function andThen<Value, Result>(
  value: Value | Promise<Value>,
  next: (value: Value) => Result | Promise<Result>,
): Result | Promise<Result> {
  return value instanceof Promise ? value.then(next) : next(value);
}
