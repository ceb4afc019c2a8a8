"use strict";

// Swagger UI knows no refresh. Here every token pair that passes by is remembered, in memory only,
// and a call whose access token has expired goes out with its successor.

const MARGIN_MS = 5_000;
const sessionOf = new Map(); // access or refresh token → the session it belongs to

function keep(session, tokens) {
  session.accessToken = tokens.access_token;
  session.refreshToken = tokens.refresh_token;
  session.expiresAt = Date.now() + tokens.expires_in * 1_000;
  sessionOf.set(session.accessToken, session).set(session.refreshToken, session);
}

async function exchange(session) {
  const response = await fetch("auth/refresh", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ refresh_token: session.refreshToken }),
  });
  if (response.ok) keep(session, await response.json());
}

/** One exchange at a time. Without an answer the old token goes out, and the API says what is wrong. */
async function renew(session) {
  session.renewing ??= exchange(session).catch(() => {}).finally(() => {
    session.renewing = null;
  });
  await session.renewing;
}

let presented = null; // the refresh token that a person is exchanging by hand

async function beforeRequest(request) {
  presented = request.url.endsWith("/auth/refresh") ? presentedIn(request.body) : null;
  const session = sessionOf.get(request.headers?.Authorization?.replace(/^Bearer /, ""));
  if (session) {
    if (Date.now() > session.expiresAt - MARGIN_MS) await renew(session);
    request.headers.Authorization = `Bearer ${session.accessToken}`;
  }
  return request;
}

function presentedIn(body) {
  try {
    return JSON.parse(body).refresh_token;
  } catch {
    return null;
  }
}

function afterResponse(response) {
  const answer = response.body ?? response.obj;
  if (response.ok && answer?.access_token && answer.refresh_token) {
    keep(sessionOf.get(presented) ?? {}, answer);
  }
  return response;
}

// BaseLayout has no top bar, and so none of the inline styles that the policy would refuse.
SwaggerUIBundle({
  dom_id: "#swagger-ui",
  url: "openapi.json",
  layout: "BaseLayout",
  presets: [SwaggerUIBundle.presets.apis],
  deepLinking: true,
  displayRequestDuration: true,
  filter: true,
  persistAuthorization: false, // tokens stay in memory and end with the page
  requestInterceptor: beforeRequest,
  responseInterceptor: afterResponse,
  tryItOutEnabled: true,
  validatorUrl: null,
});
