"""What several tests share: real servers, projects, an installation for clusters."""
