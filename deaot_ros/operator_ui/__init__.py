"""The operator's page: watch the camera, draw what matters, see it followed, correct it."""
