"""Container engines: what their files say of containers, images and layers. Pure rules on the port Tree."""
