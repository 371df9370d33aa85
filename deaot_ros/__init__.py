"""Video object segmentation on ROS 2: from one mask to tracked objects, with DeAOT networks."""
