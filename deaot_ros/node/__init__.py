"""The ROS 2 node. Everything that imports rclpy for tracking lives here."""
