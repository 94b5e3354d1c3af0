mod life;
mod orders;
mod world;
