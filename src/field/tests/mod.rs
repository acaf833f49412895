mod families;
