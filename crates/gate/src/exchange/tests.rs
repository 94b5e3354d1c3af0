mod answers;
mod host;
mod life;
mod orders;
mod world;
