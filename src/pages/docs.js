"use strict";

// Swagger UI knows no refresh. Here every token pair that passes by is remembered, in memory only,
// and a call goes out with the newest access token of the session that its own one belongs to.

const MARGIN_MS = 5_000;
const EXAMPLE = "<refresh token>"; // in the examples of bodies; the newest session's takes its place
const TOKENS = /\/auth\/(signup|login|refresh|password)$/;
const sessionOf = new Map(); // access or refresh token → the session it belongs to
const showing = new WeakMap(); // headers of a request → shows the request anew
let newest = null;

/** `sentAt`: when the request went out that brought the tokens, by this machine's clock, in ms. */
function keep(session, tokens, sentAt) {
  if (session.over) return; // logged out meanwhile
  session.accessToken = tokens.access_token;
  session.refreshToken = tokens.refresh_token;
  session.expiresAt = sentAt + tokens.expires_in * 1_000;
  sessionOf.set(session.accessToken, session).set(session.refreshToken, session);
  newest = session;
}

function forget(session) {
  session.over = true;
  for (const [token, owner] of sessionOf) if (owner === session) sessionOf.delete(token);
  if (newest === session) newest = null;
}

function randomKey() {
  return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(18))));
}

async function exchange(session) {
  session.attempt ??= randomKey();
  const sentAt = Date.now();
  const response = await fetch("auth/refresh", {
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": session.attempt },
    body: JSON.stringify({ refresh_token: session.refreshToken }),
  });
  if (response.ok) keep(session, await response.json(), sentAt);
  else if (response.status === 400 || response.status === 401) forget(session);
  else return; // no verdict: the next call asks again with the same key
  session.attempt = null;
}

/** One exchange at a time. Without an answer the old token goes out, and the API says what is wrong. */
async function renew(session) {
  session.renewing ??= exchange(session).catch(() => {}).finally(() => {
    session.renewing = null;
  });
  await session.renewing;
}

const bearerOf = (request) => request.headers.Authorization?.replace(/^Bearer /, "");

/** The members of a JSON object; none of any other body. */
function membersOf(body) {
  try {
    return JSON.parse(body) ?? {};
  } catch {
    return {};
  }
}

async function beforeRequest(request) {
  if (newest && membersOf(request.body).refresh_token === EXAMPLE) {
    request.body = request.body.replace(EXAMPLE, newest.refreshToken);
  }
  const session = sessionOf.get(bearerOf(request));
  if (session) {
    if (Date.now() > session.expiresAt - MARGIN_MS) await renew(session);
    request.headers.Authorization = `Bearer ${session.accessToken}`;
  }
  // Without credentials the browser asks for no password of its own at a Basic challenge.
  if (request.headers["X-Token-Mode"] !== "cookie") request.credentials = "omit";
  request.userFetch = () => send(request, session);
  return request;
}

async function send(request, session) {
  const sentAt = Date.now();
  let response = await fetch(request.url, request);
  if (session && refusesTheToken(response) && (await replaced(request, session))) {
    response = await fetch(request.url, request);
  }
  if (response.ok) await note(request, response, session, sentAt);
  return response;
}

function refusesTheToken(response) {
  const challenge = response.headers.get("WWW-Authenticate") ?? "";
  return response.status === 401 && challenge.includes('error="invalid_token"');
}

/** Whether the request now has another access token than the one that was refused. */
async function replaced(request, session) {
  const refused = bearerOf(request);
  if (refused === session.accessToken && !session.over) await renew(session);
  if (refused === session.accessToken || session.over) return false;
  request.headers.Authorization = `Bearer ${session.accessToken}`;
  showing.get(request.headers)?.(request);
  return true;
}

/** What an answer means for the session of the refresh token in the body, or else of the caller. */
async function note(request, response, caller, sentAt) {
  const { refresh_token: presented, scope } = membersOf(request.body);
  const session = sessionOf.get(presented) ?? caller ?? {};
  const { pathname } = new URL(request.url, location);
  if (TOKENS.test(pathname)) {
    const tokens = await response.clone().json();
    if (tokens.refresh_token) keep(session, tokens, sentAt);
  } else if (pathname.endsWith("/auth/logout") && scope !== "others") {
    forget(session);
  }
}

const silentRefresh = {
  statePlugins: {
    spec: {
      wrapActions: {
        // A call that was repeated is shown, as curl too, with the token it was repeated with.
        setMutatedRequest: (show) => (path, method, request) => {
          showing.set(request.headers, (repeated) => show(path, method, repeated));
          return show(path, method, request);
        },
      },
    },
    auth: {
      wrapActions: {
        logout: (logOut, { authSelectors }) => (schemes) => {
          for (const scheme of schemes) {
            const given = authSelectors.authorized().get(scheme)?.toJS();
            const session = sessionOf.get(given?.token?.access_token ?? given?.value);
            if (session) forget(session);
          }
          return logOut(schemes);
        },
      },
    },
  },
};

// BaseLayout has no top bar, and so none of the inline styles that the policy would refuse.
SwaggerUIBundle({
  dom_id: "#swagger-ui",
  url: "openapi.json",
  layout: "BaseLayout",
  plugins: [() => silentRefresh],
  presets: [SwaggerUIBundle.presets.apis],
  deepLinking: true,
  defaultModelsExpandDepth: 0, // each operation shows its own schemas; the list of all opens at a click
  displayRequestDuration: true,
  filter: true,
  persistAuthorization: false, // tokens stay in memory and end with the page
  requestInterceptor: beforeRequest,
  tryItOutEnabled: true,
  validatorUrl: null,
});
