"""Nouns for animals, plants, families and work: ``english spanish gender``; work has a Spanish form for each gender."""

from __future__ import annotations

ANIMALS = """
dog perro m; cat gato m; horse caballo m; donkey burro m; cow vaca f; goat cabra f; sheep/sheep oveja f; pig cerdo m;
rabbit conejo m; mouse/mice ratón m; squirrel ardilla f; fox/foxes zorro m; wolf/wolves lobo m; bear oso m; deer/deer ciervo m; frog rana f;
turtle tortuga f; lizard lagarto m; snake serpiente f; ant hormiga f; spider araña f; snail caracol m; hedgehog erizo m; otter nutria f;
badger tejón m; mule mula f; pony/ponies poni m; lamb cordero m; puppy/puppies cachorro m; kitten gatito m; crab cangrejo m; camel camello m;
monkey mono m; elephant elefante m; lion león m; tiger tigre m; beetle escarabajo m; cricket grillo m; ox/oxen buey m; bull toro m;
calf/calves ternero m; colt potro m; mare yegua f; boar jabalí m; hare liebre f; mole topo m; rat rata f; weasel comadreja f;
lynx/lynxes lince m; panther pantera f; leopard leopardo m; jaguar jaguar m; giraffe jirafa f; zebra cebra f; rhinoceros/rhinoceroses rinoceronte m; hippopotamus/hippopotamuses hipopótamo m;
gorilla gorila m; llama llama f; crocodile cocodrilo m; iguana iguana f; toad sapo m; scorpion escorpión m; worm gusano m; caterpillar oruga f;
seal foca f; beaver castor m; raccoon mapache m; skunk mofeta f; kangaroo canguro m; gazelle gacela f; hamster hámster m/hámsters; greyhound galgo m
"""

BIRDS = """
rooster gallo m; hen gallina f; duck pato m; goose/geese ganso m; owl búho m; crow cuervo m; pigeon paloma f; parrot loro m;
swallow golondrina f; sparrow gorrión m; swan cisne m; bee abeja f; butterfly/butterflies mariposa f; seagull gaviota f; hawk halcón m; stork cigüeña f;
firefly/fireflies luciérnaga f; bat murciélago m; eagle águila f; nightingale ruiseñor m; canary/canaries canario m; lark alondra f; magpie urraca f; raven grajo m;
heron garza f; pelican pelícano m; peacock pavo m; turkey guajolote m; partridge perdiz f; quail codorniz f; hummingbird colibrí m; woodpecker carpintero m;
wasp avispa f; dragonfly/dragonflies libélula f; moth polilla f; mosquito/mosquitoes mosquito m; vulture buitre m; thrush/thrushes tordo m; goldfinch/goldfinches jilguero m; crane grulla f
"""

PLANTS = """
tree árbol m; rose rosal m; tulip tulipán m; daisy/daisies margarita f; sunflower girasol m; lily/lilies lirio m; oak roble m; pine pino m;
willow sauce m; palm palmera f; bush/bushes arbusto m; fern helecho m; vine parra f; cactus/cactuses cactus m/cactus; reed junco m; thistle cardo m;
bamboo/bamboos bambú m; clover trébol m; poppy/poppies amapola f; elm olmo m; poplar álamo m; cypress/cypresses ciprés m; cedar cedro m; beech/beeches haya f;
ash/ashes fresno m; birch/birches abedul m; maple arce m; fir abeto m; laurel laurel m; myrtle mirto m; ivy/ivies hiedra f; jasmine jazmín m;
carnation clavel m; violet violeta f; orchid orquídea f; hydrangea hortensia f; lavender espliego m; rosemary/rosemaries romero m; nettle ortiga f; bramble zarza f;
magnolia magnolia f; geranium geranio m; dahlia dalia f; chestnut_tree castaño m; olive_tree olivo m; almond_tree almendro m; fig_tree higuera f; cherry_tree cerezo m
"""

RELATIVES = """
mother madre f; father padre m; sister hermana f; brother hermano m; aunt tía f; uncle tío m; grandmother abuela f; grandfather abuelo m;
daughter hija f; son hijo m; niece sobrina f; nephew sobrino m; godmother madrina f; godfather padrino m; wife/wives esposa f; husband marido m;
granddaughter nieta f; grandson nieto m; sister-in-law/sisters-in-law cuñada f; father-in-law/fathers-in-law suegro m
"""

PEOPLE = """
baker panadero panadera; teacher maestro maestra; doctor médico médica; nurse enfermero enfermera; farmer granjero granjera; cook cocinero cocinera;
carpenter carpintero carpintera; gardener jardinero jardinera; sailor marinero marinera; shepherd pastor pastora; hunter cazador cazadora; painter pintor pintora;
writer escritor escritora; singer cantante cantante; dancer bailarín bailarina; musician músico música; student estudiante estudiante; merchant comerciante comerciante;
tailor sastre sastra; shoemaker zapatero zapatera; watchmaker relojero relojera; librarian bibliotecario bibliotecaria; mechanic mecánico mecánica; engineer ingeniero ingeniera;
scientist científico científica; lawyer abogado abogada; judge juez jueza; soldier soldado soldado; captain capitán capitana; pilot piloto piloto;
driver conductor conductora; courier mensajero mensajera; waiter camarero camarera; butcher carnicero carnicera; weaver tejedor tejedora; potter alfarero alfarera;
miller molinero molinera; innkeeper posadero posadera; neighbour vecino vecina; stranger forastero forastera; traveller viajero viajera; inventor inventor inventora;
detective detective detective; clown payaso payasa; magician mago maga; poet poeta poeta; guard guardia guardia; servant criado criada;
thief/thieves ladrón ladrona; mayor alcalde alcaldesa; photographer fotógrafo fotógrafa; blacksmith herrero herrera; goldsmith orfebre orfebre; bricklayer albañil albañila;
plumber fontanero fontanera; electrician electricista electricista; architect arquitecto arquitecta; chemist químico química; physicist físico física; astronomer astrónomo astrónoma;
botanist botánico botánica; historian historiador historiadora; philosopher filósofo filósofa; journalist periodista periodista; editor editor editora; translator traductor traductora;
printer impresor impresora; sculptor escultor escultora; guitarist guitarrista guitarrista; violinist violinista violinista; pianist pianista pianista; acrobat acróbata acróbata;
juggler malabarista malabarista; tamer domador domadora; rider jinete amazona; archer arquero arquera; swimmer nadador nadadora; runner corredor corredora;
diver buzo buza; fishmonger pescadero pescadera; grocer tendero tendera; florist florista florista; barber barbero barbera; hairdresser peluquero peluquera;
pharmacist farmacéutico farmacéutica; dentist dentista dentista; surgeon cirujano cirujana; veterinarian veterinario veterinaria; beekeeper apicultor apicultora; winemaker bodeguero bodeguera;
miner minero minera; woodcutter leñador leñadora; fisher pescador pescadora; lighthouse_keeper farero farera; smuggler contrabandista contrabandista; pirate pirata pirata;
banker banquero banquera; tax_collector recaudador recaudadora; secretary/secretaries secretario secretaria; ambassador embajador embajadora; senator senador senadora; spy/spies espía espía;
explorer explorador exploradora; guide guía guía; pilgrim peregrino peregrina; hermit ermitaño ermitaña; prophet profeta profetisa; apprentice aprendiz aprendiza;
orphan huérfano huérfana; rascal granuja granuja; beggar mendigo mendiga; prisoner prisionero prisionera; champion campeón campeona
"""
