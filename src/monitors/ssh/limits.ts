/** Of what a command writes. */
export const MAX_OUTPUT = 65_536;
/** Of all that is received in a session: key exchange, banners and answers besides the output. */
export const MAX_RECEIVED = 262_144 + MAX_OUTPUT;
/** Of what waits to be read: more than may come at all, since bytes that do not fit are lost. */
export const MAX_WAITING = MAX_RECEIVED + 65_536;
