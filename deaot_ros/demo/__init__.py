"""The demo: a clip through the real ROS node, as a camera, an operator and a robot would see it."""
