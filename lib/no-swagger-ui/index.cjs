/** All that moleculer-auto-openapi asks of swagger-ui-dist when it is loaded. */
exports.getAbsoluteFSPath = () => __dirname;
