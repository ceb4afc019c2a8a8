"use strict";

// Swagger UI over the files of the fastapi-swagger package: nothing is loaded from elsewhere.
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
  tryItOutEnabled: true,
  validatorUrl: null,
});
