// A Better Auth server for the tests, as its documentation sets one up, on loopback.
//
// Environment: DATABASE_URL (PostgreSQL), PORT, BETTER_AUTH_SECRET, JWT_OPTIONS (JSON, of the
// plugin `jwt`), CACHE_STRATEGY (of the cookie cache). Prints "ready" once it listens. `GET /mails`
// is the tests' own: the links' tokens that it would have sent by e-mail, by address.

import { createServer } from "node:http";
import { webcrypto } from "node:crypto";
import pg from "pg";

globalThis.crypto ??= webcrypto; // Node 18 has it in a module only

const { betterAuth } = await import("better-auth");
const { toNodeHandler } = await import("better-auth/node");
const { getMigrations } = await import("better-auth/db/migration");
const { bearer, jwt } = await import("better-auth/plugins");

const port = Number(process.env.PORT);
const baseURL = `http://127.0.0.1:${port}`;
const mails = {};

const auth = betterAuth({
  baseURL,
  secret: process.env.BETTER_AUTH_SECRET,
  database: new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 4 }),
  emailAndPassword: { enabled: true },
  emailVerification: {
    sendVerificationEmail: async ({ user, token }) => {
      mails[user.email] = token;
    },
  },
  user: { changeEmail: { enabled: true }, deleteUser: { enabled: true } },
  session: {
    cookieCache: { enabled: true, maxAge: 300, strategy: process.env.CACHE_STRATEGY },
  },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  plugins: [bearer(), jwt(JSON.parse(process.env.JWT_OPTIONS))],
});

await (await getMigrations(auth.options)).runMigrations();

const handler = toNodeHandler(auth);
createServer((request, response) => {
  if (request.url === "/mails") {
    response.setHeader("content-type", "application/json").end(JSON.stringify(mails));
  } else {
    handler(request, response);
  }
}).listen(port, "127.0.0.1", () => console.log("ready"));
